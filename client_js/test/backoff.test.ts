/** How long a client waits before it tries to connect again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.js";

/** Return the longest delays that may come one after another, when a connection was lost that had been good. */
function longest(keptMs: number, count: number): number[] {
  const backoff = new Backoff(() => 1);
  backoff.opened(0, keptMs);
  return Array.from({ length: count }, () => backoff.nextDelay(60_000));
}

test("the delays double, up to 20 s", () => {
  assert.deepEqual(longest(0, 8), [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
});

test("while a gateway keeps streams for a minute, no delay lets more than a sixth of that pass", () => {
  assert.deepEqual(longest(60_000, 7), [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  assert.deepEqual(longest(600_000, 7).at(-1), 20_000);
});
