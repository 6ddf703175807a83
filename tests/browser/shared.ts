/** One gateway and one browser for all test files of a process. */

import { after, before } from "node:test";
import { recording } from "./recording.js";
import { SKIP, Stage } from "./stage.js";

export { SKIP } from "./stage.js";

/** What the microphone plays. */
export const sound = recording();
export let stage: Stage;

before(async () => {
  // A page that was opened from a file comes from nowhere: its origin is "null".
  if (!SKIP) stage = await Stage.set(["--allow-origin", "null"], sound.name);
});

after(async () => {
  await stage?.close();
  sound.remove();
});
