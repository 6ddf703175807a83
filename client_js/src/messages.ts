/** The messages of the protocol, as types; and what is checked of those that come. It knows no bytes. */

import type { Datatype } from "./datatypes.js";
import { InvalidMessage, type WireError } from "./errors.js";

/** What a program or the gateway chose to call a request or a stream. */
export type Id = number | string;
export type Scalar = boolean | number | string;
/** How a message is written: text, or binary with a header in msgpack or JSON. */
export type Form = "msgpack" | "json" | "text";
/** What becomes of a stream's results that are not taken in time. */
export type Overflow = "block" | "latest" | "drop_oldest";

export interface Limits {
  readonly message_bytes: number;
  readonly text_bytes: number;
  readonly in_flight: number;
  readonly streams?: number;
  readonly subscriptions?: number;
}

export interface Hello {
  readonly op: "hello";
  readonly protocol: string;
  readonly server: string;
  readonly session: string;
  readonly keepalive_ms: number;
  readonly limits: Limits;
  readonly features?: readonly string[];
  readonly resume_token?: string;
  readonly resume_window_ms?: number;
}

/** What an answer cost. */
export interface WireTiming {
  readonly queue_us: number;
  readonly compute_us: number;
  readonly batch_size: number;
}

export interface ResultMessage {
  readonly op: "result";
  readonly id?: Id;
  readonly model_name?: string;
  readonly model_version?: string;
  readonly stream?: Id;
  readonly step?: number;
  readonly seq?: number;
  readonly final: boolean;
  readonly timing: WireTiming;
  readonly text?: string;
  readonly reason?: string;
}

export interface ErrorMessage extends WireError {
  readonly op: "error";
  readonly id?: Id;
  readonly stream?: Id;
  readonly step?: number;
  readonly seq?: number;
  readonly lost?: readonly Id[];
}

export interface Opened {
  readonly op: "opened";
  readonly id: Id;
  readonly stream: Id;
  readonly model_name: string;
  readonly model_version: string;
  readonly next_step: number;
  readonly steps: number;
  readonly results: number;
}

export interface ResumedStream {
  readonly stream: Id;
  readonly next_step: number;
  readonly replay_from: number;
  readonly seq: number;
  readonly status: string;
}

export interface Resumed {
  readonly op: "resumed";
  readonly token: string;
  readonly streams: readonly ResumedStream[];
  readonly lost?: readonly Id[];
}

export interface Gap {
  readonly op: "gap";
  readonly stream: Id;
  readonly from: number;
  readonly to: number;
}

/** Something that was published: one of `data`, tensors with `timing`, `error` and `closed`. */
export interface EventMessage {
  readonly op: "event";
  readonly topic: string;
  readonly seq: number;
  readonly at_ms: number;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly model_name?: string;
  readonly model_version?: string;
  readonly stream?: Id;
  readonly step?: number;
  readonly final?: boolean;
  readonly timing?: WireTiming;
  readonly text?: string;
  readonly reason?: string;
  readonly error?: { readonly code: string; readonly message: string };
  readonly closed?: string;
}

/** What the gateway sends. */
export type ServerMessage =
  | Hello
  | ResultMessage
  | ErrorMessage
  | Opened
  | Resumed
  | Gap
  | EventMessage
  | { readonly op: "subscribed" | "unsubscribed"; readonly id: Id; readonly topic: string }
  | { readonly op: "models"; readonly id: Id; readonly models: readonly ModelEntry[] }
  | { readonly op: "ping" | "pong"; readonly id?: Id }
  | { readonly op: "goaway"; readonly time_left_ms: number; readonly reason: string }
  | { readonly op: "closed"; readonly stream: Id; readonly reason: string }
  | { readonly op: "snapshot"; readonly id: Id; readonly stream: Id; readonly step: number };

/** What this client sends; `op`, `id`, `stream` and `step` come first, in that order. */
export interface ClientMessage {
  readonly op: string;
  readonly [field: string]: unknown;
}

/** One of a model's inputs or outputs; −1 is a dimension of any size. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly batch_axis?: number | null;
}

/** One version of one model, as `models` describes it; there may be more in it. */
export interface ModelEntry {
  readonly name: string;
  readonly state: "ready" | "failed" | "not_installed";
  readonly version?: string;
  readonly pure?: boolean;
  readonly inputs?: readonly TensorSpec[];
  readonly outputs?: readonly TensorSpec[];
  readonly error?: string;
  readonly [field: string]: unknown;
}

/** Where the tensors of a message are. */
export const TENSORS: Record<string, string> = {
  infer: "inputs",
  step: "inputs",
  open: "constants",
  result: "outputs",
  snapshot: "outputs",
  event: "outputs",
};

// Fields and their types: s text, i id, n integer from 0, p integer from 1, b boolean, m map, l list; ? if it may be absent.
const FIELDS: Record<string, string> = {
  hello: "protocol:s server:s session:s keepalive_ms:n limits:m features?:l resume_token?:s resume_window_ms?:n",
  result: "id?:i stream?:i step?:p seq?:p model_name?:s model_version?:s outputs:l final:b timing:m text?:s reason?:s",
  error:
    "id?:i stream?:i step?:p seq?:p code:s message:s retryable:b retry_after_ms?:n param?:s expected?:s outcome?:s duplicate_of?:i expected_step?:p lost?:l",
  models: "id:i models:l",
  ping: "id?:i",
  pong: "id?:i",
  goaway: "time_left_ms:n reason:s",
  opened: "id:i stream:i model_name:s model_version:s next_step:p steps:n results:n",
  gap: "stream:i from:p to:p",
  closed: "stream:i reason:s",
  snapshot: "id:i stream:i step:n outputs:l",
  resumed: "token:s streams:l lost?:l",
  subscribed: "id:i topic:s",
  unsubscribed: "id:i topic:s",
  event: "topic:s seq:p at_ms:n data?:m timing?:m error?:m closed?:s",
};
const TIMING = "queue_us:n compute_us:n batch_size:n";
const LIMITS = "message_bytes:p text_bytes:p in_flight:p streams?:n";
const STREAM = "stream:i next_step:p replay_from:p seq:n status:s";

type Fields = Record<string, unknown>;

export function isMap(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isInteger(value: unknown, from: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= from;
}

export function isId(value: unknown): value is Id {
  return isInteger(value, 0) || (typeof value === "string" && value.length > 0 && value.length <= 64);
}

const IS: Record<string, (value: unknown) => boolean> = {
  s: (value) => typeof value === "string",
  b: (value) => typeof value === "boolean",
  n: (value) => isInteger(value, 0),
  p: (value) => isInteger(value, 1),
  i: isId,
  m: isMap,
  l: Array.isArray,
};

/**
 * Return the message of the gateway that a map is; undefined if its `op` is not known. What it has beside is ignored.
 *
 * Raises InvalidMessage with the field at fault.
 */
export function asServerMessage(map: Fields): ServerMessage | undefined {
  const op = map.op;
  if (typeof op !== "string") throw bad("op");
  if (!Object.hasOwn(FIELDS, op)) return undefined;
  check(map, FIELDS[op]!);
  if (op === "hello") check(map.limits as Fields, LIMITS, "limits.");
  if (op === "resumed")
    (map.streams as unknown[]).forEach((each, i) => check(isMap(each) ? each : {}, STREAM, `streams[${i}].`));
  if (op === "result") checkResult(map);
  if (op === "event" && map.timing) check(map, "model_name:s model_version:s outputs:l");
  return map as unknown as ServerMessage;
}

function checkResult(map: Fields): void {
  if ((map.id == null) === (map.stream == null)) throw bad("id");
  check(map, map.stream == null ? "model_name:s model_version:s" : "step:p seq:p");
  check(map.timing as Fields, TIMING, "timing.");
}

function check(map: Fields, fields: string, prefix = ""): void {
  for (const field of fields.split(" ")) {
    const [name, type] = field.split(/\??:/) as [string, string];
    const value = map[name] ?? undefined;
    if (value === undefined ? !field.includes("?") : !IS[type]!(value)) throw bad(prefix + name);
  }
}

function bad(param: string): InvalidMessage {
  return new InvalidMessage(`${param} is not as the protocol has it`, { param });
}
