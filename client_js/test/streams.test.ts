/** Streams over connections that come and go, with simulated time, a simulated network and a simulated gateway. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  ConnectionLost,
  DeadlineExceeded,
  InvalidInput,
  ModelFailed,
  ResumeFailed,
  UnexpectedStep,
  UnknownStream,
} from "../src/errors.js";
import { Sequence } from "../src/streams/sequence.js";
import { StreamWorld, sumOf, sums } from "./stream-world.js";
import { settle } from "./world.js";

test("steps run in order, each on the state that the one before it left", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const steps = Promise.allSettled([1, 2, 3, 4, 5, 6].map((x) => stream.step(x)));
  await world.flow();
  assert.deepEqual(sums(await steps), [1, 3, 6, 10, 15, 21]);
  const last = stream.step({ x: 4 });
  await world.flow();
  assert.equal((await last).seq, 7);
});

test("a step that fails leaves the state, those behind it are not run, and the stream goes on", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const steps = Promise.allSettled([1, -1, 3, 4, 5, 6, 7].map((x) => stream.step(x)));
  await world.flow();
  assert.deepEqual(sums(await steps), [1, ModelFailed, ...Array(5).fill(UnexpectedStep)]);
  const next = stream.step(5);
  await world.flow();
  assert.equal(sumOf(await next), 6);
});

test("a step that is refused fails with those behind it, and the stream goes on", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const steps = Promise.allSettled([1, 666, 3].map((x) => stream.step(x)));
  await world.flow();
  assert.deepEqual(sums(await steps), [1, InvalidInput, UnexpectedStep]);
  const next = stream.step(5);
  await world.flow();
  assert.equal(sumOf(await next), 6);
});

test("run draws chunks only as fast as results are taken, and gives all results in order", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  let drawn = 0;
  const chunks = (async function* () {
    for (; drawn < 50;) yield ++drawn;
  })();
  const results = stream.run(chunks);
  for (let i = 1; i <= 50; i++) {
    const next = results.next();
    await settle();
    await world.flow();
    assert.equal(sumOf((await next).value!), (i * (i + 1)) / 2);
    assert(drawn <= i + 8);
  }
  const end = results.next();
  await settle();
  await world.flow();
  assert.equal((await end).done, true);
});

test("leaving the loop gives up what has not begun, and what the chunks raise is raised after their results", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const got: number[] = [];
  const loop = (async () => {
    for await (const result of stream.run([1, 2, 3, 4])) {
      got.push(sumOf(result));
      break;
    }
  })();
  await settle();
  await world.flow();
  await loop;
  await world.flow();
  const bad = (async () => {
    const chunks = (function* () {
      yield 1;
      throw new RangeError("no more");
    })();
    for await (const result of stream.run(chunks)) got.push(sumOf(result));
  })();
  const failing = assert.rejects(bad, RangeError);
  await settle();
  await world.flow();
  await failing;
  assert.equal(got.length, 2);
});

test("a generation gives each token as it comes, and its wishes go with the step", async () => {
  const world = new StreamWorld();
  const gw = await world.open();
  const tokens: number[] = [];
  const done = (async () => {
    for await (const result of gw.generate("sum", { prompt: [7], maxSteps: 3, seed: 5 })) tokens.push(result.seq);
  })();
  world.gateway = (message, tensors, reply, link) =>
    world.streams.gateway(
      message,
      { x: { datatype: "INT64", shape: [], data: BigInt64Array.of(1n) }, ...tensors },
      reply,
      link,
    );
  await world.asked();
  await world.flow();
  await world.flow();
  await done;
  assert.deepEqual(tokens, [1, 2, 3]);
  const step = world.seen.find(({ op }) => op === "step")!;
  assert.deepEqual([step.parameters, step.inputs[0].shape], [{ max_steps: 3, seed: 5 }, [1]]);
  assert.equal(world.seen.at(-1)!.op, "close");
});

test("a stream that is cut in the middle goes on: no step runs twice, and no result is lost or comes twice", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const steps = Promise.allSettled([1, 2, 3, 4].map((x) => stream.step(x)));
  world.up(3); // the fourth is lost on the way
  world.advance(2);
  world.down(1);
  await world.reconnect();
  await world.flow();
  assert.deepEqual(sums(await steps), [1, 3, 6, 10]);
  assert.equal(world.streams.steps, 4);
});

test("a resume is the first message of a connection", async () => {
  const world = new StreamWorld();
  await world.stream();
  await world.reconnect();
  world.up();
  const ops = world.seen.map(({ op }) => op as string);
  assert.deepEqual(ops.slice(ops.indexOf("resume")), ["resume", "models"]);
});

test("a stream whose opening was cut is opened on the next connection", async () => {
  const world = new StreamWorld();
  const opening = (await world.open()).stream("sum");
  await world.asked();
  world.up();
  await world.reconnect();
  await world.flow();
  const step = (await opening).step(1);
  await world.flow();
  assert.equal(sumOf(await step), 1);
  const names = world.seen.filter(({ op }) => op === "open").map(({ stream }) => stream as number);
  assert.equal(new Set(names).size, 2); // nobody knows whether the first one came to be
});

test("what the gateway does not have any more fails with ResumeFailed", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const lost = assert.rejects(stream.step(1), (error) => error instanceof ResumeFailed && error.lost.length === 1);
  await settle();
  world.streams.sessions.clear();
  await world.reconnect();
  await world.flow();
  await lost;
  await assert.rejects(stream.step(1), ResumeFailed);
  assert.equal(stream.isOpen, false);
});

test("a step that is aborted, or runs out of time, is given up, and those asked for behind it do not run", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const abort = new AbortController();
  const steps = [stream.step(1), stream.step(2, { signal: abort.signal }), stream.step(3, { timeout: 50 })];
  const outcomes = Promise.allSettled(steps);
  await settle();
  world.up();
  abort.abort();
  await settle();
  world.clock.advance(1000);
  await world.flow();
  assert.deepEqual(sums(await outcomes), [1, DOMException, DeadlineExceeded]);
  const next = stream.step(5);
  await world.flow();
  assert.equal(sumOf(await next), 6);
});

test("cancel ends the steps that were asked for, and the stream goes on", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const steps = Promise.allSettled([1, 2, 3, 4, 5, 6].map((x) => stream.step(x)));
  await settle();
  world.up();
  const cancelled = stream.cancel();
  await world.flow();
  await cancelled;
  assert(sums(await steps).every((each) => each === Cancelled));
  const next = stream.step(5);
  await world.flow();
  assert.equal(sumOf(await next), 5);
});

test("while it is open whether a step that was given up was done, none is sent behind it", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const abort = new AbortController();
  const given = assert.rejects(stream.step(1, { signal: abort.signal }), DOMException);
  world.up();
  abort.abort();
  await given;
  const next = stream.step(2);
  world.up();
  assert.deepEqual(
    world.seen.slice(-2).map(({ op }) => op as string),
    ["step", "cancel"],
  );
  await world.flow();
  assert.equal(sumOf(await next), 2);
});

test("when a step that waits here is given up, those that were asked for behind it fail", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const abort = new AbortController();
  const steps = Promise.allSettled([1, 2, 3, 4, 5, 6].map((x) => stream.step(x, x === 5 ? { signal: abort.signal } : {})));
  abort.abort();
  await settle();
  await world.flow();
  assert.deepEqual(sums(await steps), [1, 3, 6, 10, DOMException, UnexpectedStep]);
});

test("a step that was cancelled and had not arrived when the connection was cut is not sent again", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const steps = Promise.allSettled([stream.step(1), stream.step(2)]);
  world.up(1);
  void stream.cancel();
  await world.reconnect();
  await world.flow();
  assert.deepEqual(sums(await steps), [1, Cancelled]); // the first one ran before it could be cancelled
  assert.deepEqual(world.seen.filter(({ op }) => op === "step").length, 1);
  assert.deepEqual(
    world.seen.filter(({ op }) => op === "cancel").map(({ step }) => step as number),
    [1],
  ); // told again
  const next = stream.step(5);
  await world.flow();
  assert.equal(sumOf(await next), 6);
});

test("what comes twice is told once, and a result that skips one ends the stream", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const step = stream.step(1);
  world.up();
  world.advance();
  const message = world.link.down.at(-1)!;
  world.down();
  assert.equal(sumOf(await step), 1);
  world.link.listener.message(message);
  const next = stream.step(2);
  await world.flow();
  assert.equal((await next).seq, 2);
  const [name] = world.streams.here.keys();
  const broken = assert.rejects(stream.step(3), ConnectionLost);
  world.say({ op: "error", stream: name, step: 3, seq: 9, code: "cancelled", message: "", retryable: false, expected_step: 3 });
  await broken;
  await world.flow();
  assert.equal(world.streams.here.size, 0); // it was closed
});

test("the gateway is told what it may send when half of the window is used, and what has come", () => {
  const sequence = new Sequence(4);
  assert.deepEqual(sequence.take(1, 1), true);
  sequence.weigh(10, true);
  assert.equal(sequence.due(), undefined);
  assert.deepEqual(sequence.take(1, 1), false);
  assert.deepEqual(sequence.take(3, 3), undefined);
  sequence.take(2, 2);
  sequence.weigh(10, true);
  assert.deepEqual(sequence.due(), { until: 4, seen: 2 }); // two lie here unread
  sequence.read(2);
  assert.deepEqual(sequence.due(), { until: 6, seen: 2 });
  sequence.take(3, 3);
  sequence.weigh(65536, false);
  assert.deepEqual(sequence.due(), { until: 7, seen: 3 });
});

test("snapshot and fork go on from the state behind the steps before them", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const step = stream.step(7);
  const [taken, forking] = [stream.snapshot(), stream.fork()];
  await world.flow();
  await step;
  const fork = await forking;
  const other = await world.stream({ snapshot: await taken });
  const steps = Promise.all([stream.step(1), fork.step(2), other.step(3)]);
  await world.flow();
  assert.deepEqual((await steps).map(sumOf), [8, 9, 10]);
});

test("a closed stream takes nothing more; one that the gateway has closed says why", async () => {
  const world = new StreamWorld();
  const [stream, idle] = [await world.stream(), await world.stream()];
  const closing = stream.close();
  await assert.rejects(stream.step(1), UnknownStream);
  await world.flow();
  await closing;
  const name = [...world.streams.here.keys()][0];
  world.say({ op: "closed", stream: name, reason: "idle" });
  await assert.rejects(idle.step(1), /idle/);
});

test("what a step brings may be changed as soon as it was asked for, though it waits", async () => {
  const world = new StreamWorld();
  const stream = await world.stream();
  const x = BigInt64Array.of(1n);
  const steps = Array.from({ length: 8 }, () => {
    const step = stream.step(x);
    x[0]!++;
    return step;
  });
  await world.flow();
  assert.deepEqual((await Promise.all(steps)).map(sumOf), [1, 3, 6, 10, 15, 21, 28, 36]);
});

test("a window that is full stops the gateway until results are taken", async () => {
  const world = new StreamWorld();
  const stream = await world.stream({ window: 2 });
  const results = stream.run([1, 2, 3, 4, 5, 6, 7, 8]);
  const first = results.next();
  await settle();
  await world.flow();
  await first;
  const [log] = world.streams.here.values();
  assert(log!.cursor <= 3, `${log!.cursor}`);
  const rest: number[] = [];
  const loop = (async () => {
    for await (const result of results) rest.push(sumOf(result));
  })();
  for (let i = 0; i < 10; i++) await world.flow();
  await loop;
  assert.deepEqual(rest, [3, 6, 10, 15, 21, 28, 36]);
});

test("with latest, results that were dropped are counted, and what is taken is new", async () => {
  const world = new StreamWorld();
  const stream = await world.stream({ window: 1, overflow: "latest" });
  const results = stream.run([1, 2, 3, 4]);
  const got: number[] = [];
  const loop = (async () => {
    for await (const result of results) {
      got.push(sumOf(result));
      await settle();
    }
  })();
  for (let i = 0; i < 10; i++) await world.flow();
  await loop;
  assert.equal(got.length + stream.dropped, 4);
  assert.equal(got.at(-1), 10);
});
