/** Claims about tensors as JSON. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { count, fill, nest, read, type Scalar, shapeOf, write } from "../src/playground/values.js";

const SHAPES = [[], [3], [2, 3], [1, 8, 8], [2, 1, 3, 2]];

for (const shape of SHAPES) {
  test(`what is generated with the shape [${shape}] is read back as it was`, () => {
    const values = fill("FP32", count(shape), "random");
    const found = read(write(nest(values, shape)));
    assert.deepEqual(found.values, values);
    assert.deepEqual(shapeOf(found, shape), shape);
  });
}

test("a tensor without elements keeps the sizes that its nesting cannot say", () => {
  const shape = [1, 4, 0, 16];
  assert.deepEqual(shapeOf(read(write(nest([], shape))), shape), shape);
});

test("a flat array takes the sizes that are set, if it has so many elements", () => {
  assert.deepEqual(shapeOf(read("[1, 2, 3, 4, 5, 6]"), [2, 3]), [2, 3]);
  assert.deepEqual(shapeOf(read("[1, 2, 3, 4, 5]"), [2, 3]), [5]);
});

test("nesting says the shape, also one that the model will refuse", () => {
  assert.deepEqual(shapeOf(read("[[1, 2], [3, 4]]"), [1, 8, 8]), [2, 2]);
});

for (const [text, says] of [
  ["", /empty/],
  ["[1, 2", /JSON|Expected|Unexpected/],
  ["[[1, 2], [3]]", /uneven/],
  ["[1, [2]]", /mixed/],
  ["[[1], 2]", /mixed/],
  ["[null]", /numbers, booleans or strings/],
  ['{"a": 1}', /numbers, booleans or strings/],
] as const) {
  test(`${text || "nothing"} is refused with a reason`, () => {
    assert.throws(() => read(text), says);
  });
}

test("each datatype gets elements that it can hold", () => {
  const types: Record<string, (value: Scalar) => boolean> = {
    FP16: (value) => typeof value === "number" && value >= 0 && value < 1.001,
    INT64: (value) => Number.isInteger(value),
    UINT8: (value) => Number.isInteger(value) && Number(value) >= 0,
    BOOL: (value) => typeof value === "boolean",
    BYTES: (value) => typeof value === "string",
  };
  for (const [datatype, holds] of Object.entries(types)) {
    for (const how of ["zeros", "ones", "random"] as const)
      assert.ok(fill(datatype as "FP16", 50, how).every(holds), `${datatype} ${how}`);
  }
});
