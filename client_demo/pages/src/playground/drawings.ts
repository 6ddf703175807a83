/** Small drawings of a vector: bars for a few numbers, a line for many. Numbers in, an SVG out. */

import { draw } from "../shell/dom.js";
import { number } from "../shell/format.js";
import type { Summary } from "./summary.js";

const [WIDTH, HEIGHT] = [600, 120];
const MOST_BARS = 64;
const MOST_POINTS = 600;

/** Draw a vector; undefined for one that is too short to be worth it. */
export function drawing(values: ArrayLike<number>, summary: Summary, title: string): SVGElement | undefined {
  if (values.length < 2) return undefined;
  const label = `${title}: largest ${number(summary.max)} at ${summary.argmax}, smallest ${number(summary.min)}`;
  return values.length <= MOST_BARS ? bars(values, summary, label) : line(values, summary, label);
}

function bars(values: ArrayLike<number>, { min, max, argmax }: Summary, label: string): SVGElement {
  const y = scale(Math.min(0, min), Math.max(0, max));
  const step = WIDTH / values.length;
  const shapes = Array.from(values, (value, i) => {
    const [top, bottom] = [y(Math.max(0, value)), y(Math.min(0, value))];
    const place = { x: i * step + step * 0.1, y: top, width: step * 0.8, height: Math.max(1, bottom - top), rx: 2 };
    return draw("rect", { ...place, class: i === argmax ? "bar top" : "bar" }, draw("title", {}, `${i}: ${number(value)}`));
  });
  const labels = values.length > 32 ? [] : Array.from(values, (_, i) => text(i * step + step / 2, i));
  return canvas(label, HEIGHT + (labels.length ? 20 : 0), ...shapes, ...labels);
}

function line(values: ArrayLike<number>, { min, max }: Summary, label: string): SVGElement {
  const y = scale(min, max);
  const step = Math.max(1, values.length / MOST_POINTS);
  const points: string[] = [];
  for (let i = 0; i < values.length; i += step) {
    const value = values[Math.floor(i)]!;
    if (Number.isFinite(value)) points.push(`${((i / values.length) * WIDTH).toFixed(1)},${y(value).toFixed(1)}`);
  }
  return canvas(label, HEIGHT, draw("polyline", { points: points.join(" "), class: "line" }));
}

function scale(low: number, high: number): (value: number) => number {
  const span = high - low || 1;
  return (value) => HEIGHT - 4 - ((value - low) / span) * (HEIGHT - 8);
}

function text(x: number, i: number): SVGElement {
  return draw("text", { x, y: HEIGHT + 16, "text-anchor": "middle" }, String(i));
}

function canvas(label: string, height: number, ...children: SVGElement[]): SVGElement {
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "drawing", role: "img", "aria-label": label }, ...children);
}
