/** Where Chromium is, and how it is started: without a screen, and with a microphone that plays a file. It knows no pages. */

import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** The program; the variable CHROMIUM names another one. Undefined if there is none. */
export const CHROMIUM = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));

/** What is said where tests are skipped; false if nothing is missing. */
export const MISSING = CHROMIUM ? false : "there is no chromium here, and CHROMIUM names none";

/** Start it; `recording` is the WAV file that the microphone plays, once, from the moment at which a page opens it. */
export function launch(recording?: string): Promise<Browser> {
  const heard = recording ? [`--use-file-for-fake-audio-capture=${recording}%noloop`] : [];
  return chromium.launch({
    executablePath: CHROMIUM!,
    // Its sandbox needs what containers do not give and root is refused; the pages are our own.
    args: ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", ...heard],
  });
}
