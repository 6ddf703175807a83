/** Streams that are fed by a source which goes on by itself, as a microphone does. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed } from "../src/feed.js";
import { StreamWorld, sumOf } from "./stream-world.js";
import { settle } from "./world.js";

/** A source that is pushed into. */
class Source implements AsyncIterableIterator<number, undefined> {
  wasLeft = false;
  private readonly values: number[] = [];
  private readonly feed = new Feed(() => this.values.shift());

  push(...values: number[]): void {
    this.values.push(...values);
    this.feed.wake();
  }

  end(): void {
    this.feed.end();
  }

  next(): Promise<IteratorResult<number, undefined>> {
    return this.feed.next();
  }

  async return(): Promise<IteratorResult<number, undefined>> {
    this.wasLeft = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

test("pipe sends what a source brings as it comes, gives the results meanwhile, and ends with the source", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const source = new Source();
  const results = stream.pipe(source, { inputName: "x" });
  for (let i = 1; i <= 20; i++) {
    const next = results.next();
    await settle();
    source.push(i);
    await settle();
    await world.flow();
    assert.equal(sumOf((await next).value!), (i * (i + 1)) / 2);
  }
  const last = results.next();
  source.end();
  assert.equal((await last).done, true);
});

test("pipe has no more than a few steps unanswered, however much the source brings", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const source = new Source();
  for (let i = 0; i < 100; i++) source.push(i);
  const first = stream.pipe(source).next();
  for (let i = 0; i < 20; i++) await settle();
  world.up();
  assert.equal(world.seen.filter(({ op }) => op === "step").length, 4);
  await world.flow();
  assert.equal((await first).value!.seq, 1);
});

test("the signal of pipe lets go of the source, and what was begun still has its results", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const source = new Source();
  const abort = new AbortController();
  const got: number[] = [];
  const loop = (async () => {
    for await (const result of stream.pipe(source, { signal: abort.signal })) got.push(sumOf(result));
  })();
  source.push(1);
  source.push(2);
  for (let i = 0; i < 4; i++) await settle();
  abort.abort();
  assert.equal(source.wasLeft, true);
  await world.flow();
  await loop;
  assert.deepEqual(got, [1, 3]);
  assert.equal((await stream.pipe([1], { signal: abort.signal }).next()).done, true);
});
