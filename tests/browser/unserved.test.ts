/** Pages whose model is not served, or could not be loaded, say so at once and hide what cannot work. */

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SKIP, Stage } from "./stage.js";

const GOOD = fileURLToPath(new URL("../../models/bundled/digits/model.onnx", import.meta.url));
const LONG = `a_name_${"that_goes_on_".repeat(8)}`;

describe("a gateway without the models of the demos", { skip: SKIP }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-"));
  let stage: Stage;
  before(async () => {
    copyFileSync(GOOD, join(folder, `${LONG}.onnx`));
    writeFileSync(join(folder, "broken.onnx"), "no model");
    stage = await Stage.set([folder]);
  });
  after(async () => {
    await stage?.close();
    rmSync(folder, { recursive: true });
  });

  for (const [path, model] of Object.entries({ "/microphone": "silero_vad", "/digit": "digits", "/text": "chars" })) {
    test(`${path} says that there is no ${model}`, async () => {
      await stage.visit(path, (page) => page.getByText(`This gateway does not serve ${model}`).waitFor());
    });
  }

  test("the playground has no program for a model that does not serve", async () => {
    await stage.visit("/playground?model=broken", async (page) => {
      await page.getByText("This model does not serve.").waitFor();
      assert.equal(await page.locator("#code").isVisible(), false);
      await page.locator("#model").selectOption({ label: `${LONG} (version 1)` });
      await page.locator("#code", { hasText: LONG }).waitFor();
    });
  });

  for (const path of ["/", "/dashboard", "/playground"]) {
    test(`on a phone ${path} is no wider for a long name`, async () => {
      const viewport = { width: 320, height: 700 };
      await stage.visit(
        path,
        async (page) => {
          await page
            .locator(path === "/playground" ? "#model option" : "main a", { hasText: LONG })
            .waitFor({ state: "attached" });
          const { scroll, card } = await page.evaluate(() => ({
            scroll: document.documentElement.scrollWidth,
            card: Math.max(...Array.from(document.querySelectorAll(".scroll"), (each) => each.scrollWidth - each.clientWidth)),
          }));
          assert(scroll <= viewport.width, `${scroll} px`);
          assert(card <= 0, `${card} px`);
        },
        { viewport },
      );
    });
  }
});
