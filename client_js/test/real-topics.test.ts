/** Subscriptions against the real gateway: what it tells of itself, and what streams and requests publish. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { connect } from "../src/connect.js";
import type { Connection } from "../src/connection.js";
import { Forbidden, InvalidMessage } from "../src/errors.js";
import type { SocketType } from "../src/link.js";
import type { Form } from "../src/messages.js";
import type { Subscription, TopicEvent } from "../src/subscription.js";
import { PROGRAM, RealGateway, Way } from "./gateway.js";

const SOCKET = { WebSocket: WebSocket as unknown as SocketType };
const FORMS: Form[] = ["msgpack", "json", "text"];

async function next<Data>(subscription: Subscription<Data>): Promise<TopicEvent<Data>> {
  const { value } = await subscription.next();
  assert(value);
  return value;
}

/** Wait until the gateway has answered everything that was asked before. */
async function settled(gw: Connection): Promise<void> {
  for (let i = 0; i < 3; i++) await gw.ping();
}

describe("subscriptions at the real gateway", { skip: PROGRAM ? false : "no gateway is installed" }, () => {
  let gateway: RealGateway;
  let way: Way;
  let gw: Connection;

  before(async () => {
    gateway = await RealGateway.start();
    way = await Way.to(gateway.url);
    gw = await connect(gateway.url, SOCKET);
  });

  after(async () => {
    await gw?.close();
    way?.close();
    await gateway?.stop();
  });

  test("server/stats tells each second what the gateway does", async () => {
    await using stats = gw.subscribe("server/stats");
    const first = await next(stats);
    assert(first.data);
    await Promise.all(Array.from({ length: 50 }, () => gw.infer("digits", { image: new Float32Array(64) })));
    let second = await next(stats);
    while (!second.data!.requests_per_s) second = await next(stats);
    const { p50_ms, models, connections } = second.data!;
    assert(p50_ms! > 0 && connections >= 1 && models.digits!.rows_per_s > 10, JSON.stringify(second.data));
    assert.equal(models.digits!.state, "ready");
    assert(Math.abs(second.atMs - Date.now()) < 5000);
  });

  test("server/events has told what happened before one came", async () => {
    await using events = gw.subscribe("server/events", { overflow: "drop_oldest" });
    const told: string[] = [];
    while (!told.includes("started")) {
      const { data } = await next(events);
      told.push(data!.event);
      assert(data!.message);
    }
    assert(told.includes("model_ready"));
  });

  for (const form of FORMS) {
    test(`what a stream publishes comes with its outputs, in the form ${form}`, async () => {
      await using watcher = await connect(gateway.url, { ...SOCKET, form });
      const topic = `${form}/room/1`;
      await using room = watcher.subscribe(`${form}/*/1`);
      await settled(watcher);
      const stream = await gw.stream("silero_vad", { sr: 16000 }, { publish: topic });
      const { outputs } = await stream.step(new Float32Array(512));
      const event = await next(room);
      assert.deepEqual([event.topic, event.seq, event.model, event.step, event.final], [topic, 1, "silero_vad", 1, true]);
      assert.deepEqual(
        Array.from(event.outputs!.output!.data as Float32Array),
        Array.from(outputs.output!.data as Float32Array),
      );
      assert(event.timing!.batchSize >= 1);
      await stream.close();
      assert.equal((await next(room)).closed, "closed");
    });

    test(`requests and generations publish as well, in the form ${form}`, async () => {
      await using mine = await connect(gateway.url, { ...SOCKET, form });
      await using answers = mine.subscribe(`answers/${form}`);
      await using text = mine.subscribe(`text/${form}`, { overflow: "drop_oldest" });
      await settled(mine);
      const image = new Float32Array(64).fill(3);
      const result = await mine.infer("digits", { image }, { publish: `answers/${form}` });
      assert.deepEqual((await next(answers)).outputs, result.outputs);
      let [written, watched] = ["", ""];
      for await (const token of mine.generate("chars", { prompt: [20, 41], maxSteps: 20, seed: 3, publish: `text/${form}` })) {
        written += token.text ?? "";
      }
      for (let event; !event?.final;) watched += (event = await next(text)).text ?? "";
      assert.equal(watched, written);
    });
  }

  test("a late joiner gets the last value at once, and one that was cut what it missed as a number", async () => {
    await using watcher = await connect(way.url, SOCKET);
    await using stream = await gw.stream("silero_vad", { sr: 16000 }, { publish: "room/late" });
    for (let i = 0; i < 5; i++) await stream.step(new Float32Array(512));
    const room = watcher.subscribe("room/late");
    assert.deepEqual([(await next(room)).seq, (await next(watcher.subscribe("room/late"))).seq], [5, 5]);
    const reconnected = new Promise<void>((resolve) => {
      let wasCut = false;
      watcher.onState(({ status }) => (status === "open" ? wasCut && resolve() : (wasCut = true)));
    });
    way.cut();
    for (let i = 0; i < 7; i++) await stream.step(new Float32Array(512));
    await reconnected;
    let all = 0;
    for (let seq = 5; seq < 12;) {
      const event = await next(room);
      all += event.missed + 1;
      seq = event.seq;
    }
    assert.equal(all, 7);
  });

  test("what cannot be is refused with its reason", async () => {
    await assert.rejects(gw.subscribe("a//b").next(), InvalidMessage);
    await assert.rejects(gw.infer("digits", { image: new Float32Array(64) }, { publish: "server/stats" }), Forbidden);
    await assert.rejects(gw.stream("silero_vad", {}, { publish: "a/*" }), InvalidMessage);
  });
});
