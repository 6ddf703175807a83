/** Writes a picture of each page as somebody sees it: light, dark, and narrow as a phone; `npm run screenshots [FOLDER]`. */

import { mkdirSync } from "node:fs";
import { SIGHTS } from "./sights.js";
import { recording } from "./recording.js";
import { Stage, type VisitOptions } from "./stage.js";

const LOOKS: Record<string, VisitOptions> = {
  light: { colorScheme: "light", viewport: { width: 1200, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1200, height: 800 } },
  narrow: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

const folder = process.argv[2] ?? "screenshots";
const wanted = process.argv.slice(3);
mkdirSync(folder, { recursive: true });
const sound = recording(3);
const stage = await Stage.set([], sound.name);
try {
  for (const [name, { address, act }] of Object.entries(SIGHTS)) {
    if (wanted.length && !wanted.includes(name)) continue;
    for (const [look, options] of Object.entries(LOOKS)) {
      await stage.visit(
        address,
        async (page) => {
          await act?.(page);
          await page.evaluate(() => scrollTo(0, 0));
          await page.screenshot({ path: `${folder}/${name}-${look}.png`, fullPage: look === "narrow" });
        },
        options,
      );
    }
  }
} finally {
  await stage.close();
  sound.remove();
}
