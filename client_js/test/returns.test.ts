/** A client that waits to connect again does so at once when the browser says that the network, or the reader, is back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { onReturn } from "../src/returns.js";
import { settle, World } from "./world.js";

test("who waits to connect again does so at once when there is a reason to, and once", async () => {
  const world = new World();
  const gw = await world.open();
  assert.equal(world.returns.size, 0);
  world.cut();
  assert.equal(gw.state.status, "reconnecting");
  const [again] = world.returns;
  again!();
  assert.deepEqual([gw.state.status, world.links.length, world.returns.size], ["connecting", 2, 0]);
  world.clock.advance(9_000); // the attempt that was due anyway does not come, too
  assert.equal(world.links.length, 2);
  world.greet();
  await settle();
  assert.equal(gw.state.status, "open");
});

test("it waits for nothing any more once it is closed", async () => {
  const world = new World();
  const gw = await world.open();
  world.cut();
  await gw.close();
  assert.equal(world.returns.size, 0);
  world.clock.advance(60_000);
  assert.equal(world.links.length, 1);
});

test("an early attempt that fails makes the next delay no shorter", async () => {
  const world = new World();
  const gw = await world.open();
  const delays: number[] = [];
  for (let i = 0; i < 4; i++) {
    world.cut();
    if (gw.state.status === "reconnecting") delays.push(gw.state.delayMs);
    for (const again of [...world.returns]) again();
  }
  assert.deepEqual(delays, [250, 500, 1000, 2000]);
});

test("a browser's reasons are the network, and a page that is looked at; elsewhere there are none", (t) => {
  onReturn(() => assert.fail())(); // in Node
  const [scope, page] = [new EventTarget(), Object.assign(new EventTarget(), { hidden: true })];
  const here = globalThis as Record<string, unknown>;
  here.document = page;
  here.addEventListener = scope.addEventListener.bind(scope);
  t.after(() => (delete here.document, delete here.addEventListener));
  let count = 0;
  const stop = onReturn(() => count++);
  scope.dispatchEvent(new Event("online"));
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(count, 1);
  page.hidden = false;
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(count, 2);
  stop();
  scope.dispatchEvent(new Event("online"));
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(count, 2);
});
