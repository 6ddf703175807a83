/** When there was speech, and how numbers are spread. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Newest } from "../src/microphone/numbers.js";
import { Spans } from "../src/microphone/speech.js";

function spans(text: string): string[] {
  const found = new Spans(0.1);
  for (const each of text) found.add(Number(each) / 10);
  return found.found.map(({ from, to }) => `${from.toFixed(1)}-${to.toFixed(1)}`);
}

test("speech is where the probability is one half or more", () => {
  assert.deepEqual(spans("0049990000"), ["0.3-0.6"]);
  assert.deepEqual(spans("0000"), []);
  assert.deepEqual(spans("5"), ["0.0-0.1"]);
});

test("a short pause belongs to what is said, a long one does not", () => {
  assert.deepEqual(spans("90090000900"), ["0.0-0.4", "0.8-0.9"]);
});

test("only so many numbers are kept, and their quantiles are those of what is kept", () => {
  const newest = new Newest(100);
  assert.equal(newest.quantile(0.5), undefined);
  for (let i = 1; i <= 200; i++) newest.add(i);
  assert.deepEqual([newest.all.length, newest.quantile(0.5), newest.quantile(0.99), newest.quantile(1)], [100, 151, 200, 200]);
});
