import assert from "node:assert/strict";
import { test } from "node:test";
import { Silence } from "../src/dashboard/silence.js";

test("a silence is told once, and its length when it ends", () => {
  const silence = new Silence(0);
  assert.equal(silence.begins(3_000, true), false);
  assert.equal(silence.begins(4_000, true), true);
  assert.equal(silence.begins(5_000, true), false);
  assert.equal(silence.heard(9_000), 9_000);
  assert.equal(silence.heard(10_000), undefined);
  assert.equal(silence.begins(14_000, true), true);
});

test("where there is no connection nobody is silent", () => {
  const silence = new Silence(0);
  assert.equal(silence.begins(60_000, false), false);
  assert.equal(silence.begins(61_000, true), false);
  assert.equal(silence.heard(62_000), undefined);
});
