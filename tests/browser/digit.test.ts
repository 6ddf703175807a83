/** The page on which digits are drawn. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answer, DRAWABLE, draw } from "./drawing.js";
import { SKIP, stage } from "./shared.js";

describe("the page that recognises digits", { skip: SKIP }, () => {
  test("recognises what is drawn with a mouse", async () => {
    await stage.visit("/digit", async (page) => {
      for (const digit of DRAWABLE) {
        await draw(page, digit);
        assert.equal(await answer(page), String(digit));
        await page.getByRole("button", { name: "Clear" }).click();
        assert.equal(await answer(page), "–");
      }
    });
  });

  test("draws each digit itself, recognises it, and shows what the model sees", async () => {
    await stage.visit("/digit", async (page) => {
      for (const digit of [2, 3, 4, 5, 6, 7, 8, 9, 0, 1]) {
        await page.getByRole("button", { name: "Draw one for me" }).click();
        assert.equal(await answer(page), String(digit));
      }
      const ink = await page.locator("#seen").evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext("2d")!.getImageData(0, 0, 8, 8);
        return data.filter((_, index) => index % 4 === 3).filter((alpha) => alpha > 128).length;
      });
      assert(ink > 8 && ink < 40, `${ink} of 64 pixels are ink`);
    });
  });
});
