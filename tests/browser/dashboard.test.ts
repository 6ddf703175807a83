/** The dashboard: its numbers are those of the gateway. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { SKIP, stage } from "./shared.js";
import { origin } from "./stage.js";

/** Return the sum of a metric over all its labels that match. */
async function metric(name: string, label = ""): Promise<number> {
  const text = await (await fetch(`${origin(stage.gateway.url)}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.filter((line) => line.includes(label)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function tile(page: Page, label: string): Promise<number> {
  const text = await page.locator(".tile", { hasText: label }).locator("dd").innerText();
  return Number(text.replaceAll(",", ""));
}

describe("the dashboard", { skip: SKIP }, () => {
  test("shows what /metrics counts: connections, and the requests of each model", async () => {
    await stage.visit("/dashboard", async (page) => {
      await page.locator(".tile", { hasText: "connections" }).getByText(/\d/).waitFor();
      assert.equal(await tile(page, "connections"), await metric("tidegate_connections"));
      const before = await metric("tidegate_requests_total", 'model="digits"');
      const seen = await page.evaluate(askAndWatch);
      const counted = (await metric("tidegate_requests_total", 'model="digits"')) - before;
      assert.equal(counted, 300);
      // A second of the gateway is not to the millisecond a second.
      assert(Math.abs(seen / counted - 1) < 0.1, `${seen} seen, ${counted} counted`);
    });
  });

  test("says that the gateway was gone, and that one was started since", async () => {
    await stage.visit(
      "/dashboard",
      async (page) => {
        await page.locator(".tile", { hasText: "up for" }).getByText(/\d/).waitFor();
        const events = page.locator("#events");
        await events.getByText("started", { exact: true }).waitFor();
        await stage.restart();
        await events.getByText("connection lost").waitFor();
        await events.getByText("connected again").waitFor();
        await events.getByText("started", { exact: true }).nth(1).waitFor();
      },
      { expected: [/ERR_CONNECTION_REFUSED/] },
    );
  });
});

/** Run in the page: ask 300 times, and add up what its table says second by second, until it says that nothing is asked. */
async function askAndWatch(): Promise<number> {
  const { connect } = (await import("/tidegate.js" as string)) as typeof import("../../client_js/src/index.js");
  const gw = await connect();
  const cell = [...document.querySelectorAll("#models tbody tr")]
    .find((row) => row.querySelector("th")!.textContent === "digits")!
    .querySelector('[data-label="requests/s"]')!;
  let sum = 0;
  const watching = new Promise<void>((resolve) => {
    const observer = new MutationObserver(() => {
      const rate = Number(cell.textContent!.replaceAll(",", ""));
      sum += rate;
      if (sum === 0 || rate > 0) return;
      observer.disconnect();
      resolve();
    });
    observer.observe(cell, { childList: true });
  });
  await Promise.all(Array.from({ length: 300 }, () => gw.infer("digits", { image: new Float32Array(64) })));
  await watching;
  await gw.close();
  return sum;
}
