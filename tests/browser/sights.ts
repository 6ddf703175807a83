/** What is to be seen on each page when a picture is taken of it. */

import type { Page } from "playwright-core";
import { draw } from "./drawing.js";
import type { Stage } from "./stage.js";

interface Sight {
  readonly address: string;
  readonly act?: (page: Page, stage: Stage) => Promise<void>;
}

export const SIGHTS: Record<string, Sight> = {
  start: { address: "/" },
  microphone: {
    address: "/microphone",
    async act(page) {
      await page.getByRole("button", { name: "Start listening" }).click();
      await page.locator("#verdict[data-speech=yes]").waitFor();
      await page.waitForFunction(() => Number(document.getElementById("chunks")!.textContent) > 100);
    },
  },
  text: {
    address: "/text",
    async act(page) {
      await page.getByRole("button", { name: "Write" }).click();
      await page.locator(".written", { hasText: /.{60}/ }).first().waitFor();
    },
  },
  digit: {
    address: "/digit",
    async act(page) {
      await draw(page, 3);
      await page.locator("#answer", { hasText: "3" }).waitFor();
    },
  },
};
