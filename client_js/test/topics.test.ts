/** Subscriptions over connections that come and go, with a simulated network. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionLost, Forbidden, ModelFailed } from "../src/errors.js";
import type { Form } from "../src/messages.js";
import type { SubscribeOptions, Subscription, TopicEvent } from "../src/subscription.js";
import { matches } from "../src/topics/patterns.js";
import { type Gateway, type Message, settle, World } from "./world.js";

const TIMING = { queue_us: 1, compute_us: 2, batch_size: 3 };

/** A gateway with topics: it keeps the last value of each, and tells who has subscribed. */
class TopicWorld extends World {
  readonly last = new Map<string, Message>();
  readonly patterns = new Set<string>();

  constructor() {
    super();
    this.gateway = this.answer;
  }

  /** Let something happen at a topic; who has subscribed to it hears of it. */
  publish(topic: string, fields: Message, seq = (this.last.get(topic)?.seq ?? 0) + 1, at = 1000 + seq): void {
    const event = { op: "event", topic, seq, at_ms: at, ...fields };
    this.last.set(topic, event);
    if ([...this.patterns].some((pattern) => matches(pattern, topic))) this.say(event);
  }

  async subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription> {
    const subscription = (this.connection ?? (await this.open())).subscribe(topic, options);
    do await settle();
    while (!this.link.up.length);
    await this.flow();
    return subscription as Subscription;
  }

  private readonly answer: Gateway = ({ op, id, topic }, _, reply) => {
    if (op === "subscribe") {
      if (topic === "secret") return reply({ op: "error", id, code: "forbidden", message: "no", retryable: false });
      this.patterns.add(topic as string);
      reply({ op: "subscribed", id, topic });
      for (const event of this.last.values()) if (matches(topic as string, event.topic as string)) reply(event);
    } else if (op === "unsubscribe") {
      this.patterns.delete(topic as string);
      reply({ op: "unsubscribed", id, topic });
    }
  };

  override async reconnect(): Promise<void> {
    this.patterns.clear();
    await super.reconnect();
    await this.flow();
  }
}

/** Take what is there: the numbers of events, and how many were missed before each. */
async function taken(subscription: Subscription, count: number): Promise<[string, number, number][]> {
  const events: TopicEvent[] = [];
  while (events.length < count) events.push((await subscription.next()).value!);
  return events.map(({ topic, seq, missed }) => [topic, seq, missed]);
}

test("a subscription gets the last value at once, and what happens from then on", async () => {
  const world = new TopicWorld();
  world.publish("server/stats", { data: { streams: 1 } });
  world.publish("server/stats", { data: { streams: 2 } });
  const stats = await world.subscribe("server/stats");
  const first = (await stats.next()).value!;
  assert.deepEqual(first, { topic: "server/stats", seq: 2, atMs: 1002, missed: 0, data: { streams: 2 } });
  const next = stats.next();
  world.publish("server/stats", { data: { streams: 3 } });
  assert.deepEqual((await next).value!.data, { streams: 3 });
});

for (const form of ["msgpack", "json", "text"] as Form[]) {
  test(`a published result has its outputs and what it cost, in the form ${form}`, async () => {
    const world = new TopicWorld();
    await world.open({ form });
    const room = await world.subscribe("room/*");
    const fields = { model_name: "sum", model_version: "1", stream: "s", step: 4, final: true, timing: TIMING, text: "a" };
    world.say(
      { op: "event", topic: "room/1", seq: 9, at_ms: 5, ...fields },
      { y: { datatype: "FP32", shape: [2], data: Float32Array.of(1, 2) } },
      form,
    );
    const { outputs, timing, model, step, final, text, data } = (await room.next()).value!;
    assert.deepEqual(outputs, { y: { datatype: "FP32", shape: [2], data: Float32Array.of(1, 2) } });
    assert.deepEqual(timing, { queueUs: 1, computeUs: 2, batchSize: 3 });
    assert.deepEqual([model, step, final, text, data], ["sum", 4, true, "a", undefined]);
  });
}

test("what failed and what ended is told as well", async () => {
  const world = new TopicWorld();
  const room = await world.subscribe("room/1");
  world.publish("room/1", { error: { code: "model_failed", message: "no" } });
  assert((await room.next()).value!.error instanceof ModelFailed);
  world.publish("room/1", { closed: "closed" });
  assert.equal((await room.next()).value!.closed, "closed");
});

test("who is slow gets the newest of each topic, and is told how many it missed", async () => {
  const world = new TopicWorld();
  const rooms = await world.subscribe("room/**");
  for (let i = 0; i < 5; i++) {
    world.publish("room/1", { data: {} });
    await settle();
  }
  world.publish("room/2/b", { data: {} });
  world.publish("room/1", { data: {} }, 9);
  assert.deepEqual(await taken(rooms, 2), [
    ["room/1", 9, 8],
    ["room/2/b", 1, 0],
  ]);
  world.publish("room/1", { data: {} });
  assert.deepEqual(await taken(rooms, 1), [["room/1", 10, 0]]);
});

test("what comes at once is not dropped for being late, and what is missing in between is counted where it was", async () => {
  const world = new TopicWorld();
  const room = await world.subscribe("room/1");
  for (const seq of [4, 5, 9, 10]) world.publish("room/1", { data: {} }, seq);
  assert.deepEqual(await taken(room, 4), [
    ["room/1", 4, 0],
    ["room/1", 5, 0],
    ["room/1", 9, 3],
    ["room/1", 10, 0],
  ]);
});

test("with drop_oldest the newest 64 stay in order", async () => {
  const world = new TopicWorld();
  const events = await world.subscribe("server/events", { overflow: "drop_oldest" });
  assert.equal(world.seen.at(-1)!.overflow, "drop_oldest");
  for (let i = 0; i < 100; i++) world.publish("server/events", { data: {} });
  const got = await taken(events, 64);
  assert.deepEqual(got[0], ["server/events", 37, 36]);
  assert.deepEqual(got[63], ["server/events", 100, 0]);
});

test("after a lost connection it goes on: nothing comes twice, and what was missed is counted", async () => {
  const world = new TopicWorld();
  const stats = await world.subscribe("server/stats");
  world.publish("server/stats", { data: {} });
  await world.reconnect();
  world.publish("server/stats", { data: {} }, 5);
  assert.deepEqual(await taken(stats, 1), [["server/stats", 5, 4]]);
  world.patterns.clear();
  world.publish("server/stats", { data: {} }, 9);
  await world.reconnect();
  assert.deepEqual(await taken(stats, 1), [["server/stats", 9, 3]]);
});

test("a gateway that was started anew counts from 1, and nothing of it is taken for old", async () => {
  const world = new TopicWorld();
  const stats = await world.subscribe("server/stats");
  world.publish("server/stats", { data: {} }, 70);
  assert.deepEqual(await taken(stats, 1), [["server/stats", 70, 0]]);
  world.publish("server/stats", { data: {} }, 3, 9000);
  assert.deepEqual(await taken(stats, 1), [["server/stats", 3, 2]]);
});

test("two subscriptions to one topic are told of each thing once, and the last one to leave ends it at the gateway", async () => {
  const world = new TopicWorld();
  world.publish("room/1", { data: {} });
  const [one, two] = [await world.subscribe("room/1"), await world.subscribe("room/1")];
  assert.deepEqual(await taken(one, 1), await taken(two, 1));
  world.publish("room/1", { data: {} });
  assert.deepEqual(await taken(one, 1), [["room/1", 2, 0]]);
  await one.close();
  assert.deepEqual([...world.patterns], ["room/1"]);
  assert.deepEqual(await taken(two, 1), [["room/1", 2, 0]]);
  await two.close();
  await world.flow();
  assert.deepEqual([...world.patterns], []);
});

test("leaving the loop, closing it or its signal ends it", async () => {
  const world = new TopicWorld();
  const abort = new AbortController();
  const subscription = await world.subscribe("room/1", { signal: abort.signal });
  const waiting = subscription.next();
  abort.abort();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  await world.flow();
  assert.equal(world.patterns.size, 0);
  const left = await world.subscribe("room/2");
  world.publish("room/2", { data: {} });
  for await (const { seq } of left) {
    assert.equal(seq, 1);
    break;
  }
  await world.flow();
  assert.equal(world.patterns.size, 0);
});

test("what the gateway refuses is raised where it is waited for, and so is the end of the connection", async () => {
  const world = new TopicWorld();
  await assert.rejects((await world.subscribe("secret")).next(), Forbidden);
  const room = await world.subscribe("room/1");
  const waiting = assert.rejects(room.next(), ConnectionLost);
  await world.connection.close();
  await waiting;
  assert.deepEqual(await room.next(), { done: true, value: undefined });
  await assert.rejects(world.connection.subscribe("room/1").next(), ConnectionLost);
});

test("a gateway that goes away does not end a subscription that crossed its goaway", async () => {
  const world = new TopicWorld();
  const gw = await world.open();
  const room = gw.subscribe("room/1");
  do await settle();
  while (!world.link.up.length);
  const stream = gw.infer("double", { x: [1, 1] });
  stream.catch(() => {});
  await settle();
  world.gateway = () => {};
  world.up();
  const { id } = world.seen.find(({ op }) => op === "subscribe")!;
  world.say({ op: "goaway", time_left_ms: 10_000, reason: "restart" });
  world.say({ op: "error", id, code: "shutting_down", message: "", retryable: true });
  await world.reconnect();
  world.up();
  assert.equal(world.seen.filter(({ op }) => op === "subscribe").length, 2);
  world.say({ op: "event", topic: "room/1", seq: 1, at_ms: 1, data: {} });
  assert.equal((await room.next()).value!.seq, 1);
});

test("patterns mean what the protocol says", () => {
  assert(matches("a/b", "a/b") && !matches("a/b", "a/b/c") && !matches("a/b", "a"));
  assert(matches("a/*", "a/b") && !matches("a/*", "a/b/c") && matches("*/b", "a/b"));
  assert(matches("a/**", "a/b") && matches("a/**", "a/b/c") && !matches("a/**", "a") && matches("**", "a"));
});

test("infer and open say where to publish", async () => {
  const world = new World();
  const gw = await world.open();
  gw.infer("double", { x: [1, 1] }, { publish: "room/1" }).catch(() => {});
  gw.stream("sum", {}, { publish: "room/2" }).catch(() => {});
  do await settle();
  while (world.link.up.length < 2);
  world.up();
  assert.deepEqual(
    world.seen.slice(-2).map(({ op, publish }) => [op, publish]),
    [
      ["infer", "room/1"],
      ["open", "room/2"],
    ],
  );
  await gw.close();
});
