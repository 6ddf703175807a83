/** The page `/digit`: every change of the drawing is recognised at once. */

import { whyNot } from "../demo/served.js";
import { byId } from "../shell/dom.js";
import { milliseconds, number } from "../shell/format.js";
import { startPage, tell } from "../shell/page.js";
import { onTheme } from "../shell/theme.js";
import { type Answer, Asker, MODEL } from "./asker.js";
import "./digit.css";
import { Pad } from "./pad.js";
import { picture } from "./picture.js";
import { SAMPLES } from "./samples.js";
import { bars, showSeen } from "./shown.js";

const gateway = startPage();
const asker = gateway.then((gw) => new Asker(gw));
const showShares = bars();
const pad = new Pad(byId("pad", HTMLCanvasElement), () => void look().catch(complain));
const shown = byId("answer", HTMLElement);
const cost = byId("cost", HTMLElement);
let sample = 2;

async function look(): Promise<void> {
  const image = picture(pad.strokes);
  shown.ariaBusy = "true";
  showSeen(image);
  const isEmpty = pad.strokes.length === 0;
  if (isEmpty) showShares([]);
  const asking = await asker;
  const answer = isEmpty ? asking.forget() : await asking.ask(image);
  if (answer) show(answer, asking);
  if (!asking.isAsking) shown.ariaBusy = "false";
}

function show({ shares, tookMs, computeUs }: Answer, { asked, cancelled }: Asker): void {
  showShares(shares);
  cost.textContent =
    `Answered in ${milliseconds(tookMs)}, of which the model ran ${number(computeUs)} µs. ` +
    `${number(asked)} asked, ${number(cancelled)} cancelled for a newer one.`;
}

/** Say at once, and not after the first stroke, that there is nobody to ask. */
async function check(): Promise<void> {
  const trouble = whyNot(await (await gateway).models(), MODEL);
  if (trouble) throw new Error(trouble);
}

function complain(error: unknown): void {
  shown.ariaBusy = "false";
  tell(error instanceof Error ? error.message : String(error), "bad");
}

byId("clear", HTMLButtonElement).addEventListener("click", () => (pad.strokes = []));
byId("undo", HTMLButtonElement).addEventListener("click", () => (pad.strokes = pad.strokes.slice(0, -1)));
byId("sample", HTMLButtonElement).addEventListener("click", () => {
  pad.strokes = SAMPLES[sample]!.map((stroke) => stroke.map(({ x, y }) => ({ x: x / 100, y: y / 100 })));
  sample = (sample + 1) % SAMPLES.length;
});
onTheme(() => showSeen(picture(pad.strokes)));
check().catch(complain);
