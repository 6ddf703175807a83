/** The page that listens, with a microphone that plays a recording. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { SPOKEN } from "./recording.js";
import { SKIP, sound, stage } from "./shared.js";

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

async function number(page: Page, id: string): Promise<number> {
  return Number.parseFloat(await page.locator(`#${id}`).innerText());
}

describe("the page that listens", { skip: SKIP }, () => {
  test("finds speech where it is and nowhere else", async () => {
    await stage.visit("/microphone", async (page) => {
      await page.getByRole("button", { name: "Start listening" }).click();
      await page.locator("#verdict[data-speech=yes]").waitFor();
      await page.locator("#spans li", { hasText: "from" }).waitFor();
      const over = Math.floor(sound.seconds / CHUNK_S);
      await page.waitForFunction((count) => Number(document.getElementById("chunks")!.textContent) >= count, over);
      await page.getByRole("button", { name: "Stop" }).click();
      await page.locator("#verdict[data-speech=off]").waitFor();
      const found = await spans(page);
      console.log(found, await number(page, "chunks"), await page.locator(".numbers").innerText());
      assert.equal(found.length, 1);
      const { from, to } = found[0]!;
      assert(Math.abs(to - from - (SPOKEN.to - SPOKEN.from)) < CLOSE_S, `${from} to ${to}`);
      assert.equal(await number(page, "dropped"), 0);
      assert((await number(page, "p50")) > 0);
    });
  });
});
