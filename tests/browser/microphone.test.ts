/** The page that listens, with a microphone that plays a recording. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { Way } from "../../client_js/test/gateway.js";
import { CUT_MS, PATIENCE_MS } from "./cut.js";
import { SILENCE_S, SPOKEN } from "./recording.js";
import { SKIP, sound, stage } from "./shared.js";
import { origin } from "./stage.js";

/** How far what is heard may be from what is known, in seconds: the model takes a moment to be sure, and to doubt. */
const CLOSE_S = 0.35;
const CHUNK_S = 0.032;

/** Return when speech was heard, in seconds since the page listens. */
async function spans(page: Page): Promise<{ from: number; to: number }[]> {
  const lines = await page.locator("#spans li").allInnerTexts();
  return lines.map((line) => {
    const [from, to] = [...line.matchAll(/[\d.]+/g)].map(Number) as [number, number];
    return { from, to };
  });
}

/** Wait until the page has results of so many seconds. */
async function heard(page: Page, seconds: number): Promise<void> {
  const chunks = Math.floor(seconds / CHUNK_S);
  await page.waitForFunction(
    (least) => Number(document.getElementById("chunks")!.textContent!.replace(",", "")) >= least,
    chunks,
  );
}

/** Fail unless the one sentence was heard, all of it, and nothing was dropped. */
async function checkSpeech(page: Page): Promise<void> {
  const found = await spans(page);
  assert.equal(found.length, 1, JSON.stringify(found));
  const { from, to } = found[0]!;
  // When the page begins to hear, the recording may have played for a moment, so what counts is how long it takes.
  assert(Math.abs(to - from - (SPOKEN.to - SPOKEN.from)) < CLOSE_S, `${from} to ${to}`);
  assert(Math.abs(from - SILENCE_S - SPOKEN.from) < 2 * CLOSE_S, `${from} to ${to}`);
  assert.equal(await number(page, "dropped"), 0);
}

async function number(page: Page, id: string): Promise<number> {
  return Number.parseFloat(await page.locator(`#${id}`).innerText());
}

describe("the page that listens", { skip: SKIP }, () => {
  let way: Way;

  before(async () => {
    way = await Way.to(stage.gateway.url);
  });

  after(() => way?.close());

  test("finds speech where it is and nowhere else", async () => {
    await stage.visit("/microphone", async (page) => {
      await page.getByRole("button", { name: "Start listening" }).click();
      await heard(page, sound.seconds);
      await checkSpeech(page);
      assert((await number(page, "p50")) > 0);
      await page.getByRole("button", { name: "Stop" }).click();
      await page.locator("#verdict[data-speech=off]").waitFor();
    });
  });

  test(`finds the same when its connection is cut in mid-sentence for ${CUT_MS / 1000} s`, async () => {
    await stage.visit(
      `${origin(way.url)}/microphone`,
      async (page) => {
        await page.getByRole("button", { name: "Start listening" }).click();
        await page.locator("#verdict[data-speech=yes]").waitFor();
        way.isOpen = false;
        way.cut();
        await new Promise((resolve) => setTimeout(resolve, CUT_MS));
        way.isOpen = true;
        await page.getByText("What was heard meanwhile has waited here").waitFor({ timeout: PATIENCE_MS });
        await heard(page, Math.max(sound.seconds, CUT_MS / 1000));
        await checkSpeech(page);
      },
      { expected: [/ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|closed before receiving a handshake/] },
    );
  });

  test("goes on with another stream when the gateway was killed and came back, and says what is lost", async () => {
    await stage.visit(
      "/microphone",
      async (page) => {
        await page.getByRole("button", { name: "Start listening" }).click();
        await heard(page, 0.3);
        await stage.restart();
        await page.getByText("had lost the stream").waitFor();
        await heard(page, (await number(page, "chunks")) * CHUNK_S + 0.3);
        assert.equal(await number(page, "dropped"), 0);
      },
      { expected: [/ERR_CONNECTION_REFUSED/] },
    );
  });
});
