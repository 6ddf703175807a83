/** Claims about numbers as text. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, duration, number, percent, seconds } from "../src/shell/format.js";

test("numbers have the digits that are worth reading", () => {
  const written = [12_345.6, 123.4, 12.34, 1.234, 0.0123, 0, 0.00012, -3.5].map(number);
  assert.deepEqual(written, ["12,346", "123", "12.3", "1.23", "0.0123", "0", "1.2e-4", "-3.5"]);
});

test("what is not known is a dash and not a zero", () => {
  assert.deepEqual([number(null), number(undefined), number(NaN), percent(null)], ["–", "–", "–", "–"]);
});

test("durations and sizes have units that fit", () => {
  assert.deepEqual(
    [duration(42), duration(303), duration(7_500), duration(273_600)],
    ["42 s", "5 min 3 s", "2 h 5 min", "3 d 4 h"],
  );
  assert.deepEqual([seconds(1_500), seconds(61_000)], ["1.5 s", "1 min 1 s"]);
  assert.deepEqual([bytes(100), bytes(1536), bytes(4 * 1024 ** 2)], ["100 B", "1.5 KiB", "4 MiB"]);
});
