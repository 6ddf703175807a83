/** The harness itself: that it sees what a browser complains of. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SKIP, stage } from "./shared.js";

describe("the harness", { skip: SKIP }, () => {
  test("a page that is at peace passes", async () => {
    await stage.visit("/", async (page) => assert.match(await page.content(), /Tidegate/));
  });

  const faults: Record<string, () => Promise<void>> = {
    "an error that nobody catches": async () => void setTimeout(() => Promise.reject(new Error("oh"))),
    "an error on the console": async () => console.error("oh"),
    "something that is not there": async () => void (await fetch("/nothing")),
  };
  for (const [name, fault] of Object.entries(faults)) {
    test(`${name} fails`, async () => {
      await assert.rejects(
        stage.visit("/", (page) => page.evaluate(fault)),
        /the browser has complaints/,
      );
    });
  }

  test("what the Content-Security-Policy refuses fails", async () => {
    const inline = "data:text/html,<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\"><script>1</script>";
    await assert.rejects(
      stage.visit(inline, async () => {}),
      /Content Security Policy/,
    );
  });
});
