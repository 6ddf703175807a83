/** What the page shows beside the drawing: the answer, ten bars, and the picture that the model sees. */

import { byId, make } from "../shell/dom.js";
import { percent } from "../shell/format.js";
import { colour } from "../shell/theme.js";
import { BRIGHTEST, SIDE } from "./picture.js";

/** Below this share it is shown as a guess. */
const SURE = 0.6;

interface Bar {
  readonly line: HTMLElement;
  readonly fill: HTMLElement;
  readonly share: HTMLElement;
}

/** Make the ten bars; return what shows shares, or nothing if there are none. */
export function bars(): (shares: readonly number[]) => void {
  const answer = byId("answer", HTMLElement);
  const all = Array.from({ length: 10 }, (_, digit) => bar(digit));
  byId("bars", HTMLElement).replaceChildren(...all.map(({ line }) => line));
  return (shares) => {
    const most = Math.max(0, ...shares);
    const best = most > 0 ? shares.indexOf(most) : -1;
    all.forEach((each, digit) => show(each, shares[digit], digit === best));
    const text = best < 0 ? "–" : String(best);
    if (answer.textContent !== text) answer.textContent = text; // a screen reader says what is set
    answer.classList.toggle("unsure", most < SURE);
  };
}

function bar(digit: number): Bar {
  const [fill, share] = [make("i"), make("span", { class: "share" })];
  const line = make("li", {}, make("span", {}, String(digit)), make("span", { class: "bar" }, fill), share);
  return { line, fill, share };
}

function show({ line, fill, share }: Bar, value: number | undefined, isBest: boolean): void {
  line.classList.toggle("best", isBest);
  fill.style.width = `${100 * (value ?? 0)}%`;
  share.textContent = percent(value);
}

/** Show the picture that the model sees. */
export function showSeen(image: Float32Array): void {
  const pen = byId("seen", HTMLCanvasElement).getContext("2d")!;
  pen.clearRect(0, 0, SIDE, SIDE);
  pen.fillStyle = colour("--ink");
  image.forEach((value, place) => {
    pen.globalAlpha = Math.min(1, value / BRIGHTEST);
    pen.fillRect(place % SIDE, Math.floor(place / SIDE), 1, 1);
  });
}
