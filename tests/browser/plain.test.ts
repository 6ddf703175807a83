/** The page without a library, opened from a file. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SKIP, stage } from "./shared.js";

const PAGE = new URL("../../docs/plain.html", import.meta.url);

describe("the page without a library", { skip: SKIP }, () => {
  test("asks, shows the answer, and finds a gateway again that was killed", async () => {
    const address = `${PAGE.href}?url=${encodeURIComponent(stage.gateway.url)}`;
    const visit = stage.visit(
      address,
      async (page) => {
        const answer = page.locator("#answer", { hasText: /It is a \d .* the model ran/ });
        await answer.waitFor();
        assert.match(await page.locator("#models").innerText(), /digits \(ready\)/);
        await stage.restart();
        await page.locator("#state", { hasText: "Connected to" }).waitFor();
        await page.evaluate(() => (document.getElementById("answer")!.textContent = ""));
        await page.getByRole("button", { name: "Another picture" }).click();
        await answer.waitFor();
      },
      { expected: [/ERR_CONNECTION_REFUSED/] },
    );
    await visit;
  });
});
