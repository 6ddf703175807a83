/** Streams in stories that nobody thought of: what happens, and when, is left to chance, the same each time. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancelled, InvalidInput, ModelFailed, UnexpectedStep } from "../src/errors.js";
import type { StreamResult } from "../src/results.js";
import { StreamWorld, sumOf } from "./stream-world.js";
import { settle } from "./world.js";

/** A small generator of numbers that are the same each time. */
function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

for (let seed = 1; seed <= 60; seed++) {
  test(`whatever is cut and when, each step has its one outcome on the right state (story ${seed})`, async () => {
    const random = randoms(seed);
    const world = new StreamWorld();
    const stream = await world.stream({ window: 1 + random(6), timeout: 3_600_000 });
    const asked: { x: number; outcome?: PromiseSettledResult<StreamResult>; aborted: boolean }[] = [];
    const ends: Promise<void>[] = [];
    const ask = (): void => {
      const abort = new AbortController();
      const entry: (typeof asked)[number] = { x: random(8) ? 1 + random(100) : random(2) ? -1 : 666, aborted: false };
      asked.push(entry);
      const step = stream.step(entry.x, { signal: abort.signal });
      ends.push(Promise.allSettled([step]).then(([outcome]) => void (entry.outcome = outcome)));
      if (!random(10)) setImmediate(() => ((entry.aborted = true), abort.abort()));
    };
    const moves = [
      ask,
      ask,
      () => world.up(random(3)),
      () => world.down(random(3)),
      () => world.advance(random(3)),
      settle,
      () => world.reconnect(),
    ];
    for (let i = 0; i < 120; i++) await moves[random(random(4) ? 6 : 7)]!();
    for (let i = 0; i < 20; i++) await world.flow();
    await Promise.all(ends);
    const final = stream.step(0);
    await world.flow();
    let [least, most] = [0, 0];
    for (const { x, outcome, aborted } of asked) {
      if (outcome?.status === "fulfilled") {
        const sum = sumOf(outcome.value);
        assert(least + x <= sum && sum <= most + x, `${sum} is not within ${least + x} and ${most + x}`);
        least = most = sum;
      } else {
        const reason = outcome!.reason as Error;
        const expected = aborted
          ? [DOMException, UnexpectedStep, Cancelled]
          : x < 0
            ? [ModelFailed, UnexpectedStep]
            : x === 666
              ? [InvalidInput, UnexpectedStep]
              : [UnexpectedStep];
        assert(expected.some((each) => reason instanceof each) || (aborted && reason instanceof Error), `${reason} for ${x}`);
        if (aborted && x > 0 && x !== 666) most += x; // perhaps it was run
      }
    }
    const sum = sumOf(await final);
    assert(least <= sum && sum <= most, `${sum} in the end`);
  });
}
