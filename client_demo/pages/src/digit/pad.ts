/** A sheet to draw on with any pointer. It knows strokes, in shares of its side, and nothing of digits. */

import { colour, onTheme } from "../shell/theme.js";
import type { Point, Stroke } from "./picture.js";

const PEN = 0.075; // of the side
const NEAR = 0.004; // a point so near to the last one adds nothing
const DOT = 1e-4; // a line of this length is drawn as a dot

export class Pad {
  private drawn: Point[][] = [];
  private pointer: number | undefined; // that draws
  private frame = 0;

  /** Draw on a canvas; `onChange` is called at most once for each frame. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly onChange: () => void,
  ) {
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.pointer = undefined));
    new ResizeObserver(() => this.fit()).observe(canvas);
    onTheme(() => this.draw());
  }

  get strokes(): readonly Stroke[] {
    return this.drawn;
  }

  set strokes(strokes: readonly Stroke[]) {
    this.drawn = strokes.map((stroke) => [...stroke]);
    this.changed();
  }

  private begin(event: PointerEvent): void {
    if (event.button !== 0 || this.pointer !== undefined) return;
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.drawn.push([this.place(event)]);
    this.changed();
  }

  private move(event: PointerEvent): void {
    if (event.pointerId !== this.pointer) return;
    // Pointers are faster than frames: what was between two frames comes along.
    const events = event.getCoalescedEvents();
    for (const each of events.length ? events : [event]) this.add(this.place(each));
    this.changed();
  }

  private add(point: Point): void {
    const stroke = this.drawn.at(-1);
    const last = stroke?.at(-1);
    if (!last || Math.max(Math.abs(point.x - last.x), Math.abs(point.y - last.y)) >= NEAR) stroke?.push(point);
  }

  private place(event: PointerEvent): Point {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
  }

  private changed(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
      this.onChange();
    });
  }

  private fit(): void {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side || side === this.canvas.width) return;
    this.canvas.width = this.canvas.height = side;
    this.draw();
  }

  private draw(): void {
    const pen = this.canvas.getContext("2d")!;
    const side = this.canvas.width;
    pen.setTransform(side, 0, 0, side, 0, 0);
    pen.clearRect(0, 0, 1, 1);
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = PEN;
    pen.lineCap = pen.lineJoin = "round";
    for (const stroke of this.drawn) drawStroke(pen, stroke);
  }
}

/** Draw a line that is smooth where points are far apart: through the middles between them. */
function drawStroke(pen: CanvasRenderingContext2D, stroke: Stroke): void {
  const [first, last] = [stroke[0]!, stroke.at(-1)!];
  pen.beginPath();
  pen.moveTo(first.x, first.y);
  stroke.slice(1).forEach((to, index) => {
    const from = stroke[index]!;
    pen.quadraticCurveTo(from.x, from.y, (from.x + to.x) / 2, (from.y + to.y) / 2);
  });
  pen.lineTo(last.x + DOT, last.y);
  pen.stroke();
}
