/** Claims about how models are asked, from descriptions such as a gateway gives. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelEntry } from "tidegate";
import { batching, modes, slots, vocabulary } from "../src/playground/signature.js";

const NO_STREAM = { constants: [], states: [], loop: null };
const DIGITS: ModelEntry = {
  name: "digits",
  state: "ready",
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 8, 8], batch_axis: 0 }],
  batching: { verdict: "exact", reason: "each row is what it is alone", max_batch: 128 },
  stream: { ...NO_STREAM, inputs: [{ name: "image", datatypes: ["FP32"], shape: [1, 8, 8] }] },
};
const VOICE: ModelEntry = {
  name: "silero_vad",
  state: "ready",
  inputs: [
    { name: "input", datatype: "FP32", shape: [-1, -1], batch_axis: 0 },
    { name: "state", datatype: "FP32", shape: [2, -1, 128], batch_axis: 1 },
    { name: "sr", datatype: "INT64", shape: [], batch_axis: null },
  ],
  batching: { verdict: "none", reason: "the first dimension is fixed at 1", max_batch: 1 },
  stream: {
    inputs: [
      {
        name: "input",
        datatypes: ["FP32"],
        shape: [1, -1],
        chunk: { axis: 1, by: "sr", lengths: { "8000": [256], "16000": [512] } },
      },
    ],
    constants: [{ name: "sr", datatype: "INT64", shape: [], default: 16_000 }],
    states: [{ input: "state", output: "stateN" }],
    loop: null,
  },
};
const WRITER: ModelEntry = {
  name: "chars",
  state: "ready",
  inputs: [
    { name: "input_ids", datatype: "INT64", shape: [-1, -1], batch_axis: 0 },
    { name: "attention_mask", datatype: "INT64", shape: [-1, -1], batch_axis: 0 },
    { name: "past_key_values.0.key", datatype: "FP32", shape: [-1, 4, -1, 16], batch_axis: 0 },
  ],
  stream: { ...NO_STREAM, inputs: [{ name: "input_ids", datatypes: ["INT64"], shape: [1, -1] }], loop: { vocab: ["a", "b"] } },
};

test("the way that suits a model comes first", () => {
  assert.deepEqual(modes(DIGITS), ["infer", "stream"]);
  assert.deepEqual(modes(VOICE), ["stream", "infer"]);
  assert.deepEqual(modes(WRITER), ["generate", "stream", "infer"]);
  assert.deepEqual(modes({ name: "x", state: "ready" }), ["infer"]);
});

test("one row is asked for, of the shape that the model declares", () => {
  assert.deepEqual(slots(DIGITS, "infer")[0]?.sizes, [1, 8, 8]);
  assert.deepEqual(
    slots(VOICE, "infer").map(({ sizes }) => sizes),
    [[1, 512], [2, 1, 128], []],
  );
});

test("a stream is opened with its constants, which have their declared values, and steps have the right length", () => {
  const [sr, input] = slots(VOICE, "stream");
  assert.deepEqual([sr?.name, sr?.constant, sr?.preset], ["sr", true, 16_000]);
  assert.deepEqual([input?.name, input?.constant, input?.sizes], ["input", false, [1, 512]]);
});

test("caches begin empty and masks full", () => {
  const [ids, mask, past] = slots(WRITER, "infer");
  assert.deepEqual(
    [ids?.sizes, mask?.sizes, past?.sizes],
    [
      [1, 8],
      [1, 8],
      [1, 4, 0, 16],
    ],
  );
  assert.equal(mask?.first, "ones");
});

test("a generation takes a prompt of token ids", () => {
  assert.deepEqual(
    slots(WRITER, "generate").map(({ name, datatype }) => [name, datatype]),
    [["prompt", "INT64"]],
  );
  assert.deepEqual(vocabulary(WRITER), ["a", "b"]);
});

test("whether and why a model is batched is said", () => {
  assert.deepEqual(batching(DIGITS), {
    label: "batched up to 128, exact",
    reason: "each row is what it is alone",
    batched: true,
  });
  assert.deepEqual(batching(VOICE), { label: "one at a time", reason: "the first dimension is fixed at 1", batched: false });
});
