/** Headers are written and read as `@msgpack/msgpack` reads and writes them. */

import { decode, encode } from "@msgpack/msgpack";
import assert from "node:assert/strict";
import { test } from "node:test";
import { pack, unpack } from "../src/msgpack.js";

const NUMBERS = [
  0,
  1,
  31,
  32,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32769,
  -(2 ** 31) - 1,
  1 - 2 ** 53,
  0.5,
  1e300,
  250.5,
];
const TEXTS = ["", "a", "é😀", "x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256), "x".repeat(65536)];
const LISTS = [0, 15, 16, 65536].map((length) => Array.from({ length }, (_, i) => i % 7));
const MAPS = [0, 15, 16, 300].map((size) => Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, i])));
const VALUES: unknown[] = [...NUMBERS, ...TEXTS, ...LISTS, ...MAPS, true, false, null, { a: [{ b: [] }, { "": null }] }];

for (const [i, value] of VALUES.entries()) {
  test(`value ${i} is written so that the library reads it, and read as the library writes it`, () => {
    assert.deepEqual(decode(pack({ value })), { value });
    assert.deepEqual(unpack(encode({ value })), { value });
    assert.deepEqual(unpack(encode({ value }, { forceFloat32: typeof value === "number" && Math.fround(value) === value })), {
      value,
    });
  });
}

test("what is undefined is left out", () => {
  assert.deepEqual(unpack(pack({ a: 1, b: undefined })), { a: 1 });
});

test("what is cut short anywhere, has something behind it, or is nested too deeply is refused", () => {
  const whole = encode({ op: "result", list: [1, 300, -7, 2 ** 40, 0.5, "text"], map: { a: true } });
  for (let length = 0; length < whole.length; length++) assert.throws(() => unpack(whole.subarray(0, length)));
  assert.throws(() => unpack(Uint8Array.of(...whole, 0)));
  assert.throws(() => unpack(new Uint8Array(1000).fill(0x91)), /nested/);
  assert.throws(() => unpack(Uint8Array.of(0xdd, 255, 255, 255, 255)));
});

test("a key such as __proto__ is a key like any other", () => {
  const map = unpack(pack(JSON.parse('{"__proto__": 1}') as object)) as object;
  assert.deepEqual(Object.entries(map), [["__proto__", 1]]);
});
