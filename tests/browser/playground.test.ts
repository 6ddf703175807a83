/** The playground: any model can be asked there. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SKIP, stage } from "./shared.js";

describe("the playground", { skip: SKIP }, () => {
  test("runs each model that is served, with inputs that it made itself", async () => {
    await stage.visit("/playground", async (page) => {
      const models = page.locator("#model option");
      await models.first().waitFor({ state: "attached" });
      const names = await models.allInnerTexts();
      for (const name of ["chars", "digits", "silero_vad"]) {
        const label = names.find((each) => each.startsWith(name));
        assert(label, `${name} is not among ${names.join(", ")}`);
        await page.locator("#model").selectOption({ label });
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator("#answer", { hasText: /queue|batch/i }).waitFor();
        assert.match(await page.locator("#code").innerText(), new RegExp(name));
      }
    });
  });
});
