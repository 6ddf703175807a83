/** What becomes of strokes before the model sees them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BRIGHTEST, picture, SIDE, type Stroke } from "../src/digit/picture.js";
import { SAMPLES } from "../src/digit/samples.js";

const INK = 19.5 * BRIGHTEST;

function moved(strokes: readonly Stroke[], by: number, times: number): Stroke[] {
  return strokes.map((stroke) => stroke.map(({ x, y }) => ({ x: x * times + by, y: y * times + by })));
}

test("nothing drawn is an empty picture", () => {
  for (const strokes of [[], [[]]]) assert.deepEqual(picture(strokes), new Float32Array(SIDE * SIDE));
});

test("a digit gives the same picture wherever and however large it is drawn", () => {
  for (const strokes of SAMPLES) {
    const one = picture(strokes);
    picture(moved(strokes, 0.3, 0.002)).forEach((value, i) => assert(Math.abs(value - one[i]!) < 0.01));
  }
});

test("each digit fills the picture from top to bottom, with about as much ink as the model learnt from", () => {
  for (const strokes of SAMPLES) {
    const image = picture(strokes);
    assert(image.every((value) => value >= 0 && value <= BRIGHTEST));
    const ink = image.reduce((sum, value) => sum + value, 0);
    assert(Math.abs(ink / INK - 1) < 0.15, `${ink}`);
    for (const row of [0, SIDE - 1]) assert(image.slice(row * SIDE, (row + 1) * SIDE).some((value) => value > 2));
  }
});

test("a dot and a flat line are drawn, too", () => {
  const dot = picture([[{ x: 5, y: 5 }]]);
  assert(dot[3 * SIDE + 3]! > 0 && dot[0] === 0);
  const line = picture([
    [
      { x: 0, y: 5 },
      { x: 9, y: 5 },
    ],
  ]);
  assert(line.slice(0, SIDE).every((value) => value === 0) && line[4 * SIDE + 2]! > 0);
});
