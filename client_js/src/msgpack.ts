/**
 * Writes the headers of messages as msgpack: maps with text as keys, arrays, text, numbers, booleans. It reads nothing.
 *
 * Headers are small and of few types, so this is a tenth of the size of `encode` of `@msgpack/msgpack`, which reads what comes.
 */

import { utf8Bytes } from "./tensors.js";

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
