/**
 * From the strokes of a pen to the picture that the model `digits` takes: 8 by 8, from 0 to 16. Pure.
 *
 * Its pictures were made so: the digit fills a field of 32 by 32 from top to bottom and about 24 of it across, in the middle;
 * its pen is as wide as makes the ink the same for all, 19 or 20 pixels of 64; each pixel is the ink in 4 by 4 of the field.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Stroke = readonly Point[];

/** Pixels of a side. */
export const SIDE = 8;
/** The value of a pixel that is all ink. */
export const BRIGHTEST = 16;

const FINE = 4; // places of the field for each pixel, in each direction
const FIELD = SIDE * FINE;
const MARGIN = 3; // from the middle of the pen to the field's border
const TALL = FIELD - 2 * MARGIN;
const WIDE = 20; // between the middles of the pen
const LONGEST_STRETCH = 1.8; // beyond that a thing stays flat: it is no digit that was drawn too low
const INK = 19.5 * FINE * FINE;
const THINNEST = 1.4;
const THICKEST = 4.6;
const HALVINGS = 10;

/** Draw strokes, of any size and anywhere, as the model's picture: the rows one after another. No strokes give an empty one. */
export function picture(strokes: readonly Stroke[]): Float32Array {
  const pixels = new Float32Array(SIDE * SIDE);
  if (!strokes.some((stroke) => stroke.length)) return pixels;
  const distances = field(fitted(strokes));
  const pen = penFor(distances);
  distances.forEach((distance, place) => {
    const [row, column] = [Math.floor(place / FIELD / FINE), Math.floor((place % FIELD) / FINE)];
    pixels[row * SIDE + column]! += (covered(distance, pen) / (FINE * FINE)) * BRIGHTEST;
  });
  return pixels;
}

/** Move and scale strokes into the field; what is too wide is made narrower, what is too low higher. */
function fitted(strokes: readonly Stroke[]): Stroke[] {
  const [xs, ys] = [
    strokes.flatMap((stroke) => stroke.map(({ x }) => x)),
    strokes.flatMap((stroke) => stroke.map(({ y }) => y)),
  ];
  const [left, right, top, bottom] = [least(xs), most(xs), least(ys), most(ys)];
  const [width, height] = [Math.max(right - left, 1e-6), Math.max(bottom - top, 1e-6)];
  const across = Math.min(TALL / height, WIDE / width);
  const down = Math.min(TALL / height, across * LONGEST_STRETCH);
  return strokes.map((stroke) =>
    stroke.map(({ x, y }) => ({
      x: FIELD / 2 + (x - (left + right) / 2) * across,
      y: FIELD / 2 + (y - (top + bottom) / 2) * down,
    })),
  );
}

/** For each place of the field, how far it is from the nearest stroke. */
function field(strokes: readonly Stroke[]): Float32Array {
  const distances = new Float32Array(FIELD * FIELD).fill(Infinity);
  for (const stroke of strokes) {
    stroke.forEach((to, index) => {
      const from = stroke[index - 1] ?? to;
      for (let place = 0; place < distances.length; place++) {
        const [x, y] = [(place % FIELD) + 0.5, Math.floor(place / FIELD) + 0.5];
        distances[place] = Math.min(distances[place]!, apart(x, y, from, to));
      }
    });
  }
  return distances;
}

/** How far a place is from the line between two points. */
function apart(x: number, y: number, from: Point, to: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const along = ((x - from.x) * dx + (y - from.y) * dy) / (dx * dx + dy * dy || 1);
  const share = Math.min(1, Math.max(0, along));
  const [right, below] = [x - from.x - share * dx, y - from.y - share * dy];
  return Math.sqrt(right * right + below * below); // many times as fast as Math.hypot
}

/** Find the radius of the pen that gives the right amount of ink. */
function penFor(distances: Float32Array): number {
  let [low, high] = [THINNEST, THICKEST];
  for (let i = 0; i < HALVINGS; i++) {
    const pen = (low + high) / 2;
    const ink = distances.reduce((sum, distance) => sum + covered(distance, pen), 0);
    if (ink < INK) low = pen;
    else high = pen;
  }
  return high;
}

/** Return how much of a place is ink, with a soft edge. */
function covered(distance: number, pen: number): number {
  return Math.min(1, Math.max(0, pen + 0.5 - distance));
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}
