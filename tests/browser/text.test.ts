/** The page on which texts are written, several at once. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "playwright-core";
import { Way } from "../../client_js/test/gateway.js";
import { CUT_MS, PATIENCE_MS } from "./cut.js";
import { SKIP, stage } from "./shared.js";
import { origin } from "./stage.js";

interface Wishes {
  readonly count: number;
  readonly seed?: number;
  readonly pace: "to read along" | "as fast as it goes";
}

/** Ask for texts; they begin to be written. */
async function ask(page: Page, { count, seed = 7, pace }: Wishes): Promise<void> {
  await page.getByLabel("Texts").fill(String(count));
  await page.getByLabel("First seed").fill(String(seed));
  await page.getByLabel("Speed").selectOption(pace);
  await page.getByRole("button", { name: "Write" }).click();
}

/** Wait until all texts have ended, and return them. */
async function written(page: Page): Promise<string[]> {
  await page.locator("#summary", { hasText: "all together" }).waitFor({ timeout: PATIENCE_MS });
  return page.locator(".written").allInnerTexts();
}

describe("the page that writes texts", { skip: SKIP }, () => {
  let way: Way;

  before(async () => {
    way = await Way.to(stage.gateway.url);
  });

  after(() => way?.close());

  test("writes eight texts at once, each of its own, and the same again with the same seeds", async () => {
    await stage.visit("/text", async (page) => {
      await ask(page, { count: 8, pace: "as fast as it goes" });
      const first = await written(page);
      assert.equal(new Set(first).size, 8);
      assert(first.every((text) => text.length > 5));
      await ask(page, { count: 8, pace: "as fast as it goes" });
      await page.locator("#summary", { hasText: "Writing" }).waitFor();
      assert.deepEqual(await written(page), first);
    });
  });

  test("can be stopped in mid-sentence, one text or all", async () => {
    await stage.visit("/text", async (page) => {
      await ask(page, { count: 3, pace: "to read along" });
      const second = page.getByLabel("Text of seed 8");
      await second.locator(".written", { hasText: /\w/ }).waitFor();
      await second.getByRole("button", { name: "Stop" }).click();
      await second.getByText("stopped").waitFor();
      await page.getByRole("button", { name: "Stop all" }).click();
      await written(page);
      assert.equal(await page.getByText("· stopped").count(), 3);
    });
  });

  test("says which characters the model does not know, and asks nothing", async () => {
    await stage.visit("/text", async (page) => {
      await page.getByLabel("Beginning").fill("déjà");
      const prompt = page.getByLabel("Beginning");
      assert.equal(await prompt.evaluate((input: HTMLInputElement) => input.validationMessage), "The model does not know é à");
    });
  });

  test(`goes on without loss after the page was hidden and its connection cut for ${CUT_MS / 1000} s`, async () => {
    let uncut: string[] = [];
    await stage.visit("/text", async (page) => {
      await ask(page, { count: 2, pace: "as fast as it goes" });
      uncut = await written(page);
    });
    await stage.visit(
      `${origin(way.url)}/text`,
      async (page) => {
        const browser = await page.context().newCDPSession(page);
        await ask(page, { count: 2, pace: "to read along" });
        await page.locator(".written", { hasText: /\w/ }).first().waitFor();
        // What a browser does to a page that has been out of sight for long: nothing runs in it any more.
        await browser.send("Page.setWebLifecycleState", { state: "frozen" });
        way.isOpen = false;
        way.cut();
        await new Promise((resolve) => setTimeout(resolve, CUT_MS));
        way.isOpen = true;
        await browser.send("Page.setWebLifecycleState", { state: "active" });
        await page.getByText("no character is missing").first().waitFor({ timeout: PATIENCE_MS });
        await page.getByLabel("Speed").selectOption("as fast as it goes");
        assert.deepEqual(await written(page), uncut);
      },
      { expected: [/ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED|closed before receiving a handshake/] },
    );
  });

  test("writes again what a gateway had lost that was killed and came back", async () => {
    await stage.visit(
      "/text",
      async (page) => {
        await ask(page, { count: 2, pace: "as fast as it goes" });
        const undisturbed = await written(page);
        await ask(page, { count: 2, pace: "to read along" });
        await page.locator(".written", { hasText: /\w/ }).first().waitFor();
        await stage.restart();
        await page.getByText("Connected again").waitFor();
        await page.getByText("written again").first().waitFor();
        await page.getByLabel("Speed").selectOption("as fast as it goes");
        assert.deepEqual(await written(page), undisturbed);
      },
      { expected: [/ERR_CONNECTION_REFUSED/] },
    );
  });
});
