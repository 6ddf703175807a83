/** From what a WebSocket brings to messages with their tensors, and back. It knows no connection. */

import { type Datatype, holderOf, isDatatype } from "./datatypes.js";
import { InvalidMessage, TidegateError, TooLarge } from "./errors.js";
import { align8, Cutter, headerOf, join } from "./frames.js";
import {
  asServerMessage,
  type Checks,
  type ClientMessage,
  type Form,
  type Id,
  isId,
  isInteger,
  isMap,
  type ServerMessage,
  TENSORS,
} from "./messages.js";
import { pack, unpack } from "./msgpack.js";
import { count, fromBytes, MAX_DIMENSION, MAX_RANK, type Tensor, toBytes, utf8Bytes, wrong } from "./tensors.js";

/** What a WebSocket sends and brings. */
export type Data = string | ArrayBuffer;
export type Tensors = Readonly<Record<string, Tensor>>;

/** A message that came; `message` is undefined if this version does not know what it is for. */
export interface Received {
  readonly message: ServerMessage | undefined;
  readonly tensors: Tensors;
  readonly form: Form;
  readonly nbytes: number;
}

/** Elements of tensors as JSON: `json-data.ts` is it, which clients that send no text do not need. */
export interface TextData {
  fromJson(json: unknown, shape: readonly number[], datatype: Datatype, where: string): Tensor;
  toJson(tensors: Tensors): string;
}

/** Raised for a message that cannot be read; it says whose answer it was, as far as that could be read. */
export class Unreadable extends Error {
  constructor(
    readonly error: TidegateError,
    readonly id?: Id,
    readonly stream?: Id,
    readonly step?: number,
  ) {
    super(error.message);
  }
}

const utf8 = new TextDecoder();
const MAX_TENSORS = 64;

/** Read a message of the gateway; its tensors are views on it. */
export function read(data: Data, checks: Checks, text?: TextData): Received {
  let map: Record<string, unknown> = {};
  try {
    const { form, header, ...open } = openUp(data);
    map = header;
    const message = asServerMessage(map, checks);
    const tensors = message ? tensorsOf(map, open.cutter, data, text) : {};
    return { message, tensors, form, nbytes: sizeOf(data) };
  } catch (error) {
    const told = error instanceof TidegateError ? error : new InvalidMessage(String(error));
    const stream = isId(map.stream) ? map.stream : undefined;
    throw new Unreadable(
      told,
      stream === undefined && isId(map.id) ? map.id : undefined,
      stream,
      isInteger(map.step, 1) ? map.step : undefined,
    );
  }
}

/** Return the map that a message is, and what cuts the tensors behind it. */
export function openUp(data: Data): { form: Form; header: Record<string, unknown>; cutter?: Cutter } {
  const bytes = typeof data === "string" ? undefined : headerOf(data);
  const json = !bytes || bytes[0] === 0x7b;
  const header: unknown = !bytes ? JSON.parse(data as string) : json ? JSON.parse(utf8.decode(bytes)) : unpack(bytes);
  if (!isMap(header)) throw new InvalidMessage("a message is a map");
  if (!bytes) return { form: "text", header };
  return { form: json ? "json" : "msgpack", header, cutter: new Cutter(data as ArrayBuffer, bytes) };
}

/** Return the tensors of a message by name. */
export function tensorsOf(map: Record<string, unknown>, cutter: Cutter | undefined, data: Data, text?: TextData): Tensors {
  const field = TENSORS[map.op as string];
  const list = field ? (map[field] ?? []) : [];
  if (!Array.isArray(list)) throw wrong("expected an array", field!);
  if (list.length > MAX_TENSORS) throw new TooLarge(`${field} has ${list.length} tensors`, { param: field });
  const found = new Map<string, Tensor>();
  list.forEach((entry: unknown, i) => {
    const where = `${field}[${i}]`;
    const { name, shape, datatype, nbytes, data: json } = isMap(entry) ? entry : {};
    if (typeof name !== "string" || !name || found.has(name)) throw wrong("expected another name", `${where}.name`);
    if (!isShape(shape)) throw wrong(`expected an array of at most ${MAX_RANK} sizes`, `${where}.shape`);
    if (!isDatatype(datatype)) throw wrong("expected a datatype", `${where}.datatype`);
    if (!cutter) {
      if (!text) throw wrong("elements as JSON, though nothing was sent so", where);
      return found.set(name, text.fromJson(json, shape, datatype, `${where}.data`));
    }
    const size = bytesOf(shape, datatype, nbytes ?? undefined, `${where}.nbytes`);
    return found.set(name, fromBytes(data as ArrayBuffer, cutter.cut(size, where), size, shape, datatype, where));
  });
  cutter?.end();
  return Object.fromEntries(found);
}

function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.length <= MAX_RANK && shape.every((size) => isInteger(size, 0) && size <= MAX_DIMENSION);
}

function bytesOf(shape: readonly number[], datatype: Datatype, nbytes: unknown, where: string): number {
  const size = datatype === "BYTES" ? nbytes : count(shape) * holderOf(datatype)!.BYTES_PER_ELEMENT;
  if (!isInteger(size, 0) || (nbytes !== undefined && nbytes !== size)) throw wrong("disagrees with shape and datatype", where);
  return size;
}

/** Return how many bytes a message has on its way. */
export function sizeOf(data: Data): number {
  return typeof data === "string" ? utf8Bytes(data).length : data.byteLength;
}

/** Return a message, unless it is larger than the gateway takes: then TooLarge is raised. */
export function within(limit: number, data: Data): Data {
  const size = sizeOf(data);
  if (size > limit) throw new TooLarge(`the message has ${size} bytes; the gateway takes at most ${limit}`);
  return data;
}

/** The tensors of a message that is sent once, or again; they may change as soon as it was written once. */
export class Payload {
  /** Bytes of the tensors, padding counted. */
  readonly nbytes: number;
  private readonly list: readonly object[] | string;
  private parts: readonly Uint8Array[];

  constructor(
    tensors: Tensors,
    private readonly form: Form,
    text?: TextData,
  ) {
    const entries = Object.entries(tensors);
    this.parts = entries.map(([, tensor]) => toBytes(tensor));
    this.nbytes = this.parts.reduce((sum, part) => sum + align8(part.length), 0);
    this.list =
      text?.toJson(tensors) ??
      entries.map(([name, { shape, datatype }], i) => ({ name, shape, datatype, nbytes: this.parts[i]!.length }));
  }

  /** Take copies of the tensors, which may change from now on. */
  keep(): void {
    this.parts = this.parts.map((part) => part.slice());
  }

  /** Write a message with these tensors. */
  write(message: ClientMessage): Data {
    const { form, list } = this;
    const field = TENSORS[message.op]!;
    if (typeof list === "string") return `${JSON.stringify(message).slice(0, -1)},"${field}":${list}}`;
    const { message: data, bodyAt } = join(headed({ ...message, [field]: list }, form), this.parts);
    this.parts = [new Uint8Array(data, bodyAt)];
    return data;
  }
}

/** Write a message without tensors. */
export function write(message: ClientMessage, form: Form): Data {
  return form === "text" ? JSON.stringify(message) : join(headed(message, form), []).message;
}

function headed(message: ClientMessage, form: Form): Uint8Array {
  return form === "json" ? utf8Bytes(JSON.stringify(message)) : pack(message);
}
