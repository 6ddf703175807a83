/** Requests over connections that come and go, with simulated time and a simulated network. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionLost, DeadlineExceeded, InvalidInput, ModelFailed, Overloaded, TooLarge } from "../src/errors.js";
import { tensor } from "../src/tensors.js";
import { type Gateway, HELLO, settle, World } from "./world.js";

const answer: Gateway = (message, tensors, reply) => {
  if (message.op === "ping") reply({ op: "pong", id: message.id });
  if (message.op !== "infer") return;
  const x = tensors["x"];
  const data = (x?.data as Float32Array).map((value) => 2 * value);
  const timing = { queue_us: 1, compute_us: 2, batch_size: 3 };
  reply(
    { op: "result", id: message.id, model_name: message.model_name, model_version: "1", final: true, timing },
    { y: { datatype: "FP32", shape: x!.shape, data } },
  );
};

function inferred(world: World): unknown[] {
  return world.seen.filter(({ op }) => op === "infer").map(({ id }) => id);
}

test("an inference takes shape and datatype from the model, and gives views with their timing", async () => {
  const world = new World(answer);
  const gw = await world.open();
  const pending = gw.infer("double", { x: [1, 2, 3, 4] });
  await world.flow();
  const { outputs, model, version, timing } = await pending;
  assert.deepEqual(outputs.y, { datatype: "FP32", shape: [2, 2], data: new Float32Array([2, 4, 6, 8]) });
  assert.deepEqual([model, version, timing], ["double", "1", { queueUs: 1, computeUs: 2, batchSize: 3 }]);
  assert.equal((outputs.y!.data as Float32Array).byteOffset % 8, 0);
});

test("what is sent again after a cut is what was given, whatever became of the array", async () => {
  const world = new World();
  const gw = await world.open();
  const x = Float32Array.of(1, 2);
  const pending = gw.infer("double", { x });
  x.fill(0);
  world.up();
  await world.reconnect();
  world.gateway = answer;
  await world.flow();
  assert.deepEqual((await pending).outputs.y!.data, new Float32Array([2, 4]));
});

test("in text messages, too, what is sent again is what was given, and what comes back is read", async () => {
  const world = new World();
  const gw = await world.open({ form: "text" });
  const x = Float32Array.of(-0, NaN);
  const pending = gw.infer("double", { x });
  x.fill(0);
  assert.match(String(world.link.up[0]), /^\{"op":"infer".*"data":\[-0,"NaN"\]\}\]\}$/);
  world.up();
  await world.reconnect();
  world.gateway = answer;
  await world.flow();
  assert.deepEqual((await pending).outputs.y!.data, Float32Array.of(-0, NaN));
});

test("text messages have a limit of their own", async () => {
  const world = new World();
  world.hello = { ...HELLO, limits: { ...HELLO.limits, text_bytes: 1000 } };
  const gw = await world.open({ form: "text" });
  await assert.rejects(gw.infer("double", { x: new Float32Array(1000) }), TooLarge);
});

test("no more requests are at the gateway than it takes, and those that wait go in order", async () => {
  const world = new World();
  const gw = await world.open();
  const all = Promise.allSettled(Array.from({ length: 6 }, (_, i) => gw.infer("double", { x: [i, i] })));
  await settle();
  world.up();
  assert.equal(inferred(world).length, 4);
  world.gateway = answer;
  for (const { id } of world.seen.filter(({ op }) => op === "infer")) {
    world.say({ op: "error", id, code: "model_failed", message: "no", retryable: false });
  }
  await world.flow();
  const outcomes = await all;
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    [...Array(4).fill("rejected"), "fulfilled", "fulfilled"],
  );
  assert((outcomes[0] as PromiseRejectedResult).reason instanceof ModelFailed);
});

test("after a cut what is pure is sent again, at most three times, and the rest fails", async () => {
  const world = new World();
  const gw = await world.open();
  const [pure, once] = [gw.infer("double", { x: [1, 1] }), gw.infer("once", { x: [1, 1] })];
  const lost = assert.rejects(once, (error) => error instanceof ConnectionLost && error.maybeExecuted);
  const dead = assert.rejects(pure, ConnectionLost);
  await settle();
  world.up();
  await world.reconnect();
  await lost;
  world.up();
  await world.reconnect();
  world.up();
  assert.equal(inferred(world).length, 4);
  await world.reconnect();
  await dead;
});

test("a time limit ends a request that was never answered, soon after the gateway's own would have", async () => {
  const world = new World();
  const gw = await world.open();
  const late = assert.rejects(gw.infer("double", { x: [1, 1] }, { timeout: 100 }), DeadlineExceeded);
  await settle();
  world.up();
  assert.equal(world.seen.at(-1)!.timeout_ms, 100);
  world.clock.advance(349);
  await settle();
  world.clock.advance(2);
  await late;
  world.up();
  assert.equal(world.seen.at(-1)!.op, "cancel");
});

test("aborting rejects at once with the signal's reason, and cancels at the gateway", async () => {
  const world = new World();
  const gw = await world.open();
  const abort = new AbortController();
  const pending = assert.rejects(gw.infer("double", { x: [1, 1] }, { signal: abort.signal }), { name: "AbortError" });
  await settle();
  world.up();
  abort.abort();
  await pending;
  world.up();
  assert.deepEqual(world.seen.at(-1), { op: "cancel", id: inferred(world)[0] });
  await assert.rejects(gw.infer("double", { x: [1, 1] }, { signal: abort.signal }), { name: "AbortError" });
});

test("a request that crossed a goaway goes to the next connection; the client leaves when all is answered", async () => {
  const world = new World();
  const gw = await world.open();
  const pending = gw.infer("double", { x: [1, 1] });
  await settle();
  world.up();
  world.say({ op: "goaway", time_left_ms: 10_000, reason: "restart" });
  world.say({ op: "error", id: inferred(world)[0], code: "shutting_down", message: "", retryable: true });
  assert.equal(gw.state.status, "reconnecting");
  world.dialled();
  world.gateway = answer;
  world.greet();
  await world.flow();
  assert.deepEqual((await pending).outputs.y?.data, new Float32Array([2, 2]));
});

test("a gateway that is silent is asked for a sign of life, and left if it gives none", async () => {
  const world = new World();
  const gw = await world.open();
  world.clock.advance(15_000);
  world.up();
  assert.equal(world.seen.at(-1)!.op, "ping");
  world.clock.advance(14_999);
  assert.equal(gw.state.status, "open");
  world.clock.advance(1);
  assert.equal(gw.state.status, "reconnecting");
});

test("a ping of the gateway is answered", async () => {
  const world = new World();
  await world.open();
  world.say({ op: "ping", id: "p" });
  world.up();
  assert.deepEqual(world.seen.at(-1), { op: "pong", id: "p" });
});

test("the states tell what happens, and close codes from 4500 end the connection for good", async () => {
  const world = new World();
  const gw = await world.open();
  await world.reconnect();
  const states: string[] = [];
  gw.onState(({ status }) => states.push(status));
  world.cut("superseded", true);
  await settle();
  assert.deepEqual(world.states, ["connecting", "open", "reconnecting", "connecting", "open", "closed"]);
  assert.deepEqual(states, ["open", "closed"]);
  await assert.rejects(gw.infer("double", { x: [1, 1] }), ConnectionLost);
});

test("a first connection that cannot be made fails at once, or is tried again as long as it was told", async () => {
  const world = new World();
  const failing = assert.rejects(world.begin(), ConnectionLost);
  world.cut("refused");
  await failing;
  const patient = world.begin({ connectTimeout: 60_000 });
  for (let i = 0; i < 3; i++) {
    world.cut("refused");
    world.dialled();
  }
  world.greet();
  await world.flow();
  assert.equal((await patient).state.status, "open");
});

test("what cannot be sent fails here: too large, the wrong count of elements, too many that wait", async () => {
  const world = new World();
  world.hello = { ...HELLO, limits: { ...HELLO.limits, message_bytes: 1000 } };
  const gw = await world.open({ maxPending: 2 });
  await assert.rejects(gw.infer("double", { x: new Float32Array(1000) }), TooLarge);
  await assert.rejects(gw.infer("double", { x: [1, 2, 3] }), InvalidInput);
  await assert.rejects(gw.infer("double", { x: tensor([1], [2, 2]) }), InvalidInput);
  const all = Array.from({ length: 7 }, () => gw.infer("double", { x: [1, 1] }));
  await assert.rejects(all[6]!, Overloaded);
  const ended = Promise.allSettled(all);
  await gw.close();
  assert((await ended).every(({ status }) => status === "rejected"));
});

test("ping and models ask the gateway; pings fail with the connection, models are asked again", async () => {
  const world = new World();
  const gw = await world.open();
  const [ping, models] = [assert.rejects(gw.ping(), ConnectionLost), gw.models()];
  await settle();
  await world.reconnect();
  await world.flow();
  await ping;
  assert.equal((await models)[0]!.name, "double");
});

test("messages and fields that this version does not know are ignored", async () => {
  const world = new World(answer);
  const gw = await world.open();
  world.link.listener.message('{"op": "from the future", "id": 1}');
  world.link.listener.message('{"op": "pong", "new": [1]}');
  assert.equal(gw.state.status, "open");
  world.link.listener.message("rubbish");
  assert.equal(gw.state.status, "reconnecting");
});
