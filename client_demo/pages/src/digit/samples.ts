/** Digits as somebody would draw them, stroke by stroke, in a square of 100 by 100. */

import type { Stroke } from "./picture.js";

const DRAWN = [
  "50,10 30,18 20,40 20,62 30,84 50,92 70,84 80,62 80,40 70,18 50,10",
  "28,40 54,10 54,92",
  "22,30 32,14 52,10 72,18 74,36 60,56 38,76 22,90 80,90",
  "24,18 48,10 70,20 70,36 50,48 70,56 76,74 60,90 36,90 20,82",
  "60,10 20,62 84,62 | 64,36 62,94",
  "76,12 34,12 30,46 52,40 72,50 76,70 62,88 40,92 22,84",
  "64,10 40,28 26,58 30,82 50,92 70,84 74,66 58,54 38,58 28,72",
  "20,12 78,12 60,46 44,92 | 34,50 76,50",
  "50,48 30,36 32,16 50,8 68,16 70,36 50,48 28,66 30,86 50,94 70,86 72,66 50,48",
  "72,34 60,48 40,48 28,34 32,16 52,8 70,18 72,34 68,62 56,92",
];

/** The strokes of each digit, from 0 to 9. */
export const SAMPLES: readonly (readonly Stroke[])[] = DRAWN.map((digit) => digit.split(" | ").map(asStroke));

function asStroke(text: string): Stroke {
  return text.split(" ").map((pair) => {
    const [x, y] = pair.split(",").map(Number);
    return { x: x!, y: y! };
  });
}
