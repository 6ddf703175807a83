/** What is to be seen on each page when a picture is taken of it. */

import type { Page } from "playwright-core";
import { beBusy } from "./asking.js";
import { draw } from "./drawing.js";

interface Sight {
  readonly address: string;
  readonly act?: (page: Page) => Promise<void>;
}

/** How long there is something to see on the dashboard before its picture is taken. */
const BUSY_S = Number(process.env.BUSY_S ?? 15);

export const SIGHTS: Record<string, Sight> = {
  start: {
    address: "/",
    async act(page) {
      await page.locator("#connections", { hasText: /\d/ }).waitFor();
    },
  },
  dashboard: {
    address: "/dashboard",
    async act(page) {
      const other = await page.context().newPage();
      await other.goto(new URL("/", page.url()).href);
      await page.bringToFront();
      void other.evaluate(beBusy, BUSY_S + 60).catch(() => {});
      await page.waitForTimeout(BUSY_S * 1000);
    },
  },
  playground: {
    address: "/playground?model=digits",
    async act(page) {
      await page.getByRole("button", { name: "Run" }).click();
      await page.locator("#answer dl").first().waitFor();
    },
  },
  microphone: {
    address: "/microphone",
    async act(page) {
      await page.getByRole("button", { name: "Start listening" }).click();
      await page.locator("#spans li").nth(1).waitFor();
      await page.waitForFunction(() => Number(document.getElementById("chunks")!.textContent) > 320);
    },
  },
  digit: {
    address: "/digit",
    async act(page) {
      await draw(page, 3);
      await page.locator("#answer", { hasText: "3" }).waitFor();
    },
  },
  text: {
    address: "/text",
    async act(page) {
      await page.getByRole("button", { name: "Write" }).click();
      await page.locator(".written", { hasText: /.{60}/ }).first().waitFor();
    },
  },
};
