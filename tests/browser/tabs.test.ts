/** Two tabs that have one token, as when a tab was duplicated: the later one has the session, and they do not fight. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SKIP, stage } from "./shared.js";

describe("two tabs with one token", { skip: SKIP }, () => {
  test("the later one has the session; the other one says so and leaves it alone", async () => {
    await stage.visit("/text", async (first) => {
      const connected = first.locator("#connection[data-status=open]");
      await connected.waitFor();
      const greeted = new Promise<string>((resolve) => {
        first.once("websocket", (socket) =>
          socket.once("framereceived", ({ payload }) => resolve(tokenOf(payload.toString()))),
        );
      });
      await first.reload();
      await connected.waitFor();
      await first.getByRole("button", { name: "Write" }).click();
      await first.locator(".written", { hasText: /\w/ }).first().waitFor();

      const second = await first.context().newPage();
      await second.goto(first.url());
      const resumed = await second.evaluate(resume, await greeted);
      assert.equal(resumed, "resumed");
      await first.getByText("another connection has resumed the session").waitFor();
      await first.locator("#connection[data-status=closed]").waitFor();
      assert.equal(await second.evaluate(pings, 5), 5);
      assert.equal(await first.locator("#connection").getAttribute("data-status"), "closed");
    });
  });
});

function tokenOf(hello: string): string {
  return (JSON.parse(hello) as { resume_token: string }).resume_token;
}

interface Tab extends Window {
  socket: WebSocket;
}

/** Run in a page: take over a session; return what the gateway says of that. */
function resume(token: string): Promise<string> {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1`, "tidegate.v1");
  (window as unknown as Tab).socket = socket;
  return new Promise((resolve) => {
    socket.onopen = () => socket.send(JSON.stringify({ op: "resume", token, streams: [] }));
    socket.onmessage = ({ data }) => {
      const { op, code } = JSON.parse(data as string) as { op: string; code?: string };
      if (op !== "hello") resolve(code ?? op);
    };
  });
}

/** Run in the same page: ask for signs of life, one after another; return how many came. */
async function pings(count: number): Promise<number> {
  const { socket } = window as unknown as Tab;
  for (let id = 1; id <= count; id++) {
    const pong = new Promise<string>((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(data as string);
      socket.onclose = () => reject(new Error("closed"));
    });
    socket.send(JSON.stringify({ op: "ping", id }));
    if ((JSON.parse(await pong) as { op: string }).op !== "pong") return id - 1;
  }
  return count;
}
