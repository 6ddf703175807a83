/**
 * Headers of messages as msgpack: maps with text as keys, arrays, text, numbers, booleans, nothing. Written and read.
 *
 * Headers are small and of few types, so this is a tenth of `@msgpack/msgpack`, which the tests compare it with.
 */

import { utf8Bytes } from "./tensors.js";

const MAX_DEPTH = 64;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Read a value. Raises an error of JavaScript's own if the bytes are none. */
export function unpack(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new RangeError("bytes behind the header");
  return value;
}

class Reader {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new RangeError("nested too deeply");
    const type = this.uint(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.map(type & 15, depth);
    if (type < 0xa0) return this.list(type & 15, depth);
    if (type < 0xc0) return utf8.decode(this.raw(type & 31));
    if (type >= 0xe0) return type - 256;
    if (type === 0xc0) return null;
    if (type === 0xc2 || type === 0xc3) return type === 0xc3;
    if (type >= 0xc4 && type <= 0xc6) return this.raw(this.uint(1 << (type - 0xc4)));
    if (type === 0xca) return this.view.getFloat32(this.skip(4));
    if (type === 0xcb) return this.view.getFloat64(this.skip(8));
    if (type >= 0xcc && type <= 0xcf) return this.uint(1 << (type - 0xcc));
    if (type >= 0xd0 && type <= 0xd3) return this.int(1 << (type - 0xd0));
    if (type >= 0xd9 && type <= 0xdb) return utf8.decode(this.raw(this.uint(1 << (type - 0xd9))));
    if (type === 0xdc || type === 0xdd) return this.list(this.uint(2 << (type - 0xdc)), depth);
    if (type === 0xde || type === 0xdf) return this.map(this.uint(2 << (type - 0xde)), depth);
    throw new RangeError(`a type that no header has: ${type}`);
  }

  private skip(size: number): number {
    this.at += size;
    return this.at - size;
  }

  /** Read an integer of so many bytes; beyond 2^53 it is rounded. */
  private uint(size: number): number {
    let value = 0;
    for (; size; size--) value = value * 256 + this.view.getUint8(this.skip(1));
    return value;
  }

  private int(size: number): number {
    if (size === 8) return Number(this.view.getBigInt64(this.skip(8)));
    const value = this.uint(size);
    return value < 2 ** (8 * size - 1) ? value : value - 2 ** (8 * size);
  }

  private raw(size: number): Uint8Array {
    const start = this.skip(size);
    if (this.at > this.bytes.length) throw new RangeError("cut short");
    return this.bytes.subarray(start, this.at);
  }

  private list(size: number, depth: number): unknown[] {
    const list = [];
    while (list.length < size) list.push(this.value(depth + 1));
    return list;
  }

  private map(size: number, depth: number): object {
    const entries: [string, unknown][] = [];
    while (entries.length < size) entries.push([String(this.value(depth + 1)), this.value(depth + 1)]);
    return Object.fromEntries(entries);
  }
}

/** Write a map; what is undefined in it is left out. */
export function pack(map: object): Uint8Array {
  const bytes: number[] = [];
  packValue(bytes, map);
  return Uint8Array.from(bytes);
}

function packValue(bytes: number[], value: unknown): void {
  if (typeof value === "string") {
    const text = utf8Bytes(value);
    packLength(bytes, text.length, 0xa0, 32, 0xda);
    for (const byte of text) bytes.push(byte);
  } else if (typeof value === "number") {
    packNumber(bytes, value);
  } else if (Array.isArray(value)) {
    packLength(bytes, value.length, 0x90, 16, 0xdc);
    for (const each of value) packValue(bytes, each);
  } else if (typeof value === "object" && value) {
    const entries = Object.entries(value).filter(([, each]) => each !== undefined);
    packLength(bytes, entries.length, 0x80, 16, 0xde);
    for (const each of entries.flat()) packValue(bytes, each);
  } else {
    bytes.push(value ? 0xc3 : value === false ? 0xc2 : 0xc0);
  }
}

/** Write a length: within the first byte if it is short, else in two bytes, and in four if they do not hold it. */
function packLength(bytes: number[], length: number, short: number, shortest: number, type: number): void {
  if (length < shortest) bytes.push(short + length);
  else if (length < 65536) bytes.push(type, length >> 8, length & 255);
  else packBig(bytes, type + 1, 4, (view) => view.setUint32(0, length));
}

function packNumber(bytes: number[], value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) packBig(bytes, 0xcb, 8, (view) => view.setFloat64(0, value));
  else if (value >= -32 && value < 128) bytes.push(value & 255);
  else if (value >= 0 && value < 65536) bytes.push(0xcd, value >> 8, value & 255);
  else packBig(bytes, 0xd3, 8, (view) => view.setBigInt64(0, BigInt(value)));
}

function packBig(bytes: number[], type: number, size: number, set: (view: DataView) => void): void {
  const view = new DataView(new ArrayBuffer(size));
  set(view);
  bytes.push(type, ...new Uint8Array(view.buffer));
}
