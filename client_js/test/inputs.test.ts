/** From what a program passes to tensors: nothing is converted silently, unless only digits of floats can be lost. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { InputFacts } from "../src/catalogue.js";
import { Catalogue } from "../src/catalogue.js";
import type { Datatype } from "../src/datatypes.js";
import { InvalidInput } from "../src/errors.js";
import { fromBf16, fromFp16, toBf16, toFp16 } from "../src/halves.js";
import { asStep, asTensors, type Value } from "../src/inputs.js";
import { type Tensor, tensor, toNumbers, toStrings } from "../src/tensors.js";

/** Return the tensor that is made of a value for an input. */
function given(value: Value, datatype?: Datatype, shape?: number[], batchAxis: number | null = null): Tensor {
  const facts: InputFacts | undefined = datatype && { datatypes: [datatype], ...(shape && { shape }), batchAxis };
  return asTensors({ x: value }, new Map(facts ? [["x", facts]] : [])).x!;
}

const MADE: [string, Tensor, Tensor][] = [
  ["a number for a scalar", given(16000, "INT64", []), { datatype: "INT64", shape: [], data: BigInt64Array.of(16000n) }],
  ["a number for one of any size", given(2, "FP32", [-1]), { datatype: "FP32", shape: [1], data: Float32Array.of(2) }],
  [
    "rows of a known size",
    given(new Float32Array(12), "FP32", [-1, 2, 3], 0),
    { datatype: "FP32", shape: [2, 2, 3], data: new Float32Array(12) },
  ],
  [
    "one row of any length",
    given(new Float32Array(512), "FP32", [-1, -1], 0),
    { datatype: "FP32", shape: [1, 512], data: new Float32Array(512) },
  ],
  [
    "arrays in arrays",
    given(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      "INT32",
      [-1, -1],
    ),
    { datatype: "INT32", shape: [2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) },
  ],
  ["longer floats", given(Float64Array.of(0.1), "FP32", [-1]), { datatype: "FP32", shape: [1], data: Float32Array.of(0.1) }],
  ["smaller integers", given(Uint8Array.of(7, 8), "INT32", [2]), { datatype: "INT32", shape: [2], data: Int32Array.of(7, 8) }],
  [
    "floats for halves",
    given(Float32Array.of(1, -2), "FP16", [2]),
    { datatype: "FP16", shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
  ],
  [
    "bits of halves",
    given(Uint16Array.of(0x3c00), "FP16", [1]),
    { datatype: "FP16", shape: [1], data: Uint16Array.of(0x3c00) },
  ],
  ["booleans", given([true, false], "BOOL", [2]), { datatype: "BOOL", shape: [2], data: Uint8Array.of(1, 0) }],
  [
    "integers for a model that takes floats stay what they are",
    given(Int32Array.of(1), "FP32", [1]),
    { datatype: "INT32", shape: [1], data: Int32Array.of(1) },
  ],
  [
    "an array for a model that is not known",
    given(Uint8Array.of(1, 2)),
    { datatype: "UINT8", shape: [2], data: Uint8Array.of(1, 2) },
  ],
  ["numbers for a model that is not known", given([1.5]), { datatype: "FP32", shape: [1], data: Float32Array.of(1.5) }],
  [
    "a tensor that says all",
    given(tensor([1, 2], [2, 1], "INT8"), "FP32", [7]),
    { datatype: "INT8", shape: [2, 1], data: Int8Array.of(1, 2) },
  ],
];

for (const [name, made, wanted] of MADE) {
  test(`${name} becomes a tensor`, () => assert.deepEqual(made, wanted));
}

const REFUSED: [string, () => Tensor][] = [
  ["a fraction for an integer", () => given(1.5, "INT32", [])],
  ["a number that the datatype cannot hold", () => given([300], "UINT8", [1])],
  ["a negative number for an unsigned one", () => given(-1, "UINT64", [])],
  ["a number beyond 2^53 for a 64-bit integer", () => given(2 ** 60, "INT64", [])],
  ["a finite number that would become infinite", () => given(1e39, "FP32", [])],
  ["a finite number that would become infinite as a half", () => given(65520, "FP16", [])],
  ["a string for a number", () => given("7", "FP32", [])],
  ["a number for a byte string", () => given([7], "BYTES", [1])],
  ["a number for a boolean", () => given([2], "BOOL", [1])],
  ["elements that do not make whole rows", () => given([1, 2, 3], "FP32", [-1, 2])],
  ["elements for two dimensions of any size", () => given([1, 2], "FP32", [-1, -1])],
  ["arrays of uneven length", () => given([[1], [2, 3]], "FP32", [-1, -1])],
  ["a shape that is not that of the elements", () => given(tensor([1, 2, 3], [2]), "FP32", [-1])],
  ["floats that were said to be integers", () => given(tensor(Float32Array.of(1), [1], "INT8"))],
];

for (const [name, make] of REFUSED) {
  test(`${name} is refused`, () => assert.throws(make, InvalidInput));
}

test("byte strings are given as strings or bytes, and read as either", () => {
  const made = given(["é", Uint8Array.of(0, 255)], "BYTES", [-1]);
  assert.deepEqual(made.data, [Uint8Array.of(0xc3, 0xa9), Uint8Array.of(0, 255)]);
  assert.equal(toStrings(made)[0], "é");
});

test("a step brings the one tensor that the model takes, or tensors by name", () => {
  const all = new Map([
    ["x", { datatypes: ["FP32" as const], shape: [-1] }],
    ["sr", { datatypes: ["INT64" as const], shape: [] }],
  ]);
  const takes = new Map([["x", { datatypes: ["FP32" as const], shape: [1, -1] }]]);
  assert.deepEqual(asStep([1, 2], takes, all).x!.shape, [1, 2]);
  assert.deepEqual(asStep({ x: [1, 2] }, takes, all).x!.shape, [1, 2]);
  assert.throws(() => asStep([1], all, all), InvalidInput);
});

test("every FP16 and BF16 is read and written back as it was, and what lies between two is rounded to the even one", () => {
  for (let bits = 0; bits < 65536; bits++) {
    if ((bits & 0x7c00) !== 0x7c00 || (bits & 0x3ff) === 0) assert.equal(toFp16(fromFp16(bits)), bits);
    if ((bits & 0x7f80) !== 0x7f80 || (bits & 0x7f) === 0) assert.equal(toBf16(fromBf16(bits)), bits);
  }
  for (let bits = 0; bits < 0x7bff; bits++) {
    const even = bits + (bits % 2);
    assert.equal(toFp16((fromFp16(bits) + fromFp16(bits + 1)) / 2), even);
  }
  assert.deepEqual(toNumbers({ datatype: "BF16", shape: [2], data: Uint16Array.of(0x3f80, 0xc000) }), Float32Array.of(1, -2));
});

test("of several versions of a model that are served, the gateway's choice is taken", () => {
  const catalogue = new Catalogue();
  const entry = (version: string, datatype: string, state = "ready"): object => ({
    name: "m",
    version,
    state,
    pure: true,
    inputs: [{ name: "x", datatype, shape: [] }],
  });
  catalogue.learn([entry("9", "FP16"), entry("10", "FP32"), entry("beta", "FP64"), entry("11", "INT8", "failed"), "rubbish"]);
  assert.deepEqual(catalogue.of("m").inputs.get("x")!.datatypes, ["FP32"]);
  assert.deepEqual(catalogue.of("m", "9").inputs.get("x")!.datatypes, ["FP16"]);
  assert.equal(catalogue.knows("m", "11"), false);
});

test("what is no number is not taken for one: null would be 0, and an object NaN", () => {
  for (const value of [null, [1, null], [{}], [new Date()], [[1], [null]], undefined]) {
    assert.throws(() => asTensors({ x: value as unknown as number }, new Map()), /is no FP32|is no BYTES|expected a string/);
  }
});
