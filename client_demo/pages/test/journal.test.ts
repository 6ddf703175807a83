/** Claims about what a person is told of the connection. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Hello, State } from "tidegate";
import { Journal } from "../src/shell/journal.js";

const HELLO: Hello = {
  op: "hello",
  protocol: "tidegate.v1",
  server: "tidegate 0.1.0",
  session: "s",
  keepalive_ms: 20_000,
  limits: { message_bytes: 1, text_bytes: 1, in_flight: 1 },
};
const OPEN: State = { status: "open", hello: HELLO };
const LOST: State = { status: "reconnecting", delayMs: 2_000, reason: "the network is away" };

test("a connection that opens at once is no news", () => {
  assert.equal(new Journal().note(OPEN, 0), undefined);
});

test("a lost connection is said with its reason and the next attempt", () => {
  const journal = new Journal();
  journal.note(OPEN, 0);
  const told = journal.note(LOST, 5_000);
  assert.equal(told?.kind, "bad");
  assert.match(told.text, /the network is away.*trying again in 2\.0 s/);
});

test("coming back says how long it took, counted from the first loss", () => {
  const journal = new Journal();
  journal.note(OPEN, 0);
  journal.note(LOST, 1_000);
  journal.note({ status: "connecting" }, 3_000);
  journal.note(LOST, 3_500);
  assert.deepEqual(journal.note(OPEN, 8_500), {
    kind: "good",
    text: "Connected again, after 7.5 s without the gateway.",
  });
  assert.equal(journal.note(OPEN, 9_000), undefined);
});
