/** Digits drawn with a mouse on a page's canvas. */

import type { Page } from "playwright-core";

/** Strokes in a square of 100 by 100, a hand other than that of the page's own samples. */
const HAND: Record<number, string> = {
  0: "52,12 30,22 22,44 24,66 36,86 52,90 70,80 78,58 76,34 66,18 52,12",
  1: "32,38 56,12 54,50 54,90",
  2: "26,32 36,16 54,12 70,20 70,38 56,56 38,74 24,88 50,88 78,88",
  3: "28,18 50,10 68,20 66,36 48,46 68,56 74,72 58,88 38,90 24,82",
  4: "58,12 40,36 22,60 52,60 82,60 | 62,38 62,66 60,92",
  5: "74,12 36,14 32,44 52,40 70,50 74,68 60,86 40,90 24,84",
  8: "52,48 34,36 34,18 52,10 68,18 68,34 52,48 30,64 32,84 52,92 68,84 70,66 52,48",
};

export const DRAWABLE: readonly number[] = Object.keys(HAND).map(Number);

/** Draw a digit on the page's pad. */
export async function draw(page: Page, digit: number): Promise<void> {
  const { x, y, width, height } = (await page.locator("#pad").boundingBox())!;
  for (const stroke of HAND[digit]!.split(" | ")) {
    const points = stroke.split(" ").map((pair) => pair.split(",").map(Number) as [number, number]);
    for (const [index, [right, down]] of points.entries()) {
      await page.mouse.move(x + (right / 100) * width, y + (down / 100) * height, { steps: index ? 4 : 1 });
      if (!index) await page.mouse.down();
    }
    await page.mouse.up();
  }
}

/** Wait until the page has an answer to what is drawn, and return that. */
export async function answer(page: Page): Promise<string> {
  // A drawing is looked at when the next frame is painted.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const shown = page.locator("#answer[aria-busy=false]");
  await shown.waitFor();
  return shown.innerText();
}
