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

/** What happened at a topic: exactly one of `data`, `outputs`, `error` and `closed` is there. */
export interface EventMessage {
  readonly op: "event";
  readonly topic: string;
  readonly seq: number;
  readonly at_ms: number;
  readonly data?: Fields;
  readonly outputs?: readonly unknown[];
  readonly error?: WireError;
  readonly closed?: string;
  readonly model_name?: string;
  readonly model_version?: string;
  readonly stream?: Id;
  readonly step?: number;
  readonly final?: boolean;
  readonly timing?: WireTiming;
  readonly text?: string;
  readonly reason?: string;
}

/** What the gateway sends. */
export type ServerMessage =
  | Hello
  | ResultMessage
  | ErrorMessage
  | Opened
  | Resumed
  | Gap
  | { readonly op: "models"; readonly id: Id; readonly models: readonly ModelEntry[] }
  | { readonly op: "ping" | "pong"; readonly id?: Id }
  | { readonly op: "goaway"; readonly time_left_ms: number; readonly reason: string }
  | { readonly op: "closed"; readonly stream: Id; readonly reason: string }
  | EventMessage
  | { readonly op: "subscribed" | "unsubscribed"; readonly id: Id; readonly topic: string }
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

export type Fields = Record<string, unknown>;

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

/** What has to be right about a message, by its `op`. Raises InvalidMessage with the field at fault. */
export type Checks = Record<string, (map: Fields) => void>;

/** What every client reads; the modules that are loaded when they are needed add theirs. */
export const CORE: Checks = {
  hello: (map) => {
    check(map, "protocol:s server:s session:s keepalive_ms:n limits:m features?:l resume_token?:s resume_window_ms?:n");
    check(map.limits as Fields, "message_bytes:p text_bytes:p in_flight:p streams?:n", "limits.");
  },
  result: (map) => {
    check(map, "id?:i stream?:i outputs:l final:b timing:m text?:s reason?:s");
    if ((map.id == null) === (map.stream == null)) throw bad("id");
    check(map, map.stream == null ? "model_name:s model_version:s" : "step:p seq:p");
    checkTiming(map.timing);
  },
  error: fields(
    "id?:i stream?:i step?:p seq?:p code:s message:s retryable:b retry_after_ms?:n param?:s expected?:s outcome?:s duplicate_of?:i expected_step?:p lost?:l",
  ),
  models: fields("id:i models:l"),
  ping: fields("id?:i"),
  pong: fields("id?:i"),
  goaway: fields("time_left_ms:n reason:s"),
};

/**
 * Return the message of the gateway that a map is; undefined if its `op` is not known. What it has beside is ignored.
 *
 * Raises InvalidMessage with the field at fault.
 */
export function asServerMessage(map: Fields, checks: Checks): ServerMessage | undefined {
  const op = map.op;
  if (typeof op !== "string") throw bad("op");
  if (!Object.hasOwn(checks, op)) return undefined;
  checks[op]!(map);
  return map as unknown as ServerMessage;
}

export function checkTiming(timing: unknown): void {
  check(timing as Fields, "queue_us:n compute_us:n batch_size:n", "timing.");
}

/** Return what checks the fields of a message. */
export function fields(list: string): (map: Fields) => void {
  return (map) => check(map, list);
}

/**
 * Check fields and their types: s text, i id, n integer from 0, p integer from 1, b boolean, m map, l list; with ? it may be
 * absent.
 */
export function check(map: Fields, list: string, prefix = ""): void {
  for (const field of list.split(" ")) {
    const [name, type] = field.split(/\??:/) as [string, string];
    const value = map[name] ?? undefined;
    if (value === undefined ? !field.includes("?") : !IS[type]!(value)) throw bad(prefix + name);
  }
}

function bad(param: string): InvalidMessage {
  return new InvalidMessage(`${param} is not as the protocol has it`, { param });
}
