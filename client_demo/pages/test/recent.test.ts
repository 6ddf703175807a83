/** Claims about the numbers that the charts keep. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { isolated, Recent } from "../src/dashboard/recent.js";

test("what is older than the span goes, however long the page is open", () => {
  const recent = new Recent(1, 300);
  for (let s = 1; s <= 10_000; s++) recent.push(s * 1000, [s]);
  assert.equal(recent.length, 301);
  assert.deepEqual([recent.columns[0][0], recent.last], [9_700, 10_000]);
  assert.equal(recent.columns[1]?.length, 301);
});

test("a time from which nothing came is one row of nothing, so that no line is drawn over it", () => {
  const recent = new Recent(2, 300);
  recent.push(1_000, [1, 2]);
  recent.push(2_000, [3, 4]);
  recent.push(30_000, [5, 6]);
  assert.deepEqual(recent.columns, [
    [1, 2, 3, 30],
    [1, 3, null, 5],
    [2, 4, null, 6],
  ]);
});

test("a row that is late by less than a second and a half is no gap", () => {
  const recent = new Recent(1, 300);
  recent.push(1_000, [1]);
  recent.push(3_400, [2]);
  assert.deepEqual(recent.columns[0], [1, 3.4]);
});

test("after a gap longer than the span nothing old is left", () => {
  const recent = new Recent(1, 300);
  recent.push(1_000, [1]);
  recent.push(1_000_000, [2]);
  assert.deepEqual(recent.columns, [[1_000], [2]]);
});

test("times go up, also when the gateway's clock is set back", () => {
  const recent = new Recent(1, 300);
  recent.push(5_000, [1]);
  recent.push(4_000, [2]);
  assert.deepEqual(recent.columns, [[5], [1]]);
});

test("a number between two gaps is marked with a point, since a line does not show it", () => {
  assert.deepEqual(isolated([1, null, 2, null, 3, 4, null, 5]), [0, 2, 7]);
});
