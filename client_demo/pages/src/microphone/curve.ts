/** Draws probabilities as a curve that moves to the left, once for each frame in which there is something new. */

import { colour, onTheme } from "../shell/theme.js";
import { isSpeech } from "./speech.js";

const LINES_S = 2; // a line at every so many seconds
const FOOT = 20; // height of the line with the times
const FONT = "12px system-ui, sans-serif";

export class Curve {
  private frame = 0;
  private shown = 0; // all that was added, also what has left the sheet

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly values: () => readonly number[],
    private readonly most: number,
    private readonly stepS: number,
  ) {
    new ResizeObserver(() => this.draw()).observe(canvas);
    onTheme(() => this.draw());
  }

  /** Draw soon; there are `count` values since the beginning. */
  update(count: number): void {
    this.shown = count;
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.frame = 0;
    const { canvas, most } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const pen = canvas.getContext("2d")!;
    pen.scale(devicePixelRatio, devicePixelRatio);
    pen.font = FONT;
    const values = this.values();
    const plot = height - FOOT;
    this.drawLines(pen, width, plot);
    const [speech, silence] = [colour("--chart-1"), colour("--control")];
    const edge = (index: number): number => Math.round(width - ((values.length - index) * width) / most);
    values.forEach((value, index) => {
      pen.fillStyle = isSpeech(value) ? speech : silence;
      const high = Math.max(1, value * plot);
      pen.fillRect(edge(index), plot - high, edge(index + 1) - edge(index), high);
    });
  }

  private drawLines(pen: CanvasRenderingContext2D, width: number, height: number): void {
    pen.strokeStyle = colour("--line");
    pen.fillStyle = colour("--muted");
    const second = width / (this.most * this.stepS);
    const now = this.shown * this.stepS;
    pen.beginPath();
    for (let at = Math.floor(now / LINES_S) * LINES_S; at >= 0; at -= LINES_S) {
      const x = Math.round(width - (now - at) * second) + 0.5;
      if (x < 0) break;
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
      pen.fillText(`${at} s`, x, height + 15);
    }
    pen.stroke();
    pen.beginPath();
    pen.setLineDash([4, 4]);
    pen.moveTo(0, Math.round(height / 2) + 0.5);
    pen.lineTo(width, Math.round(height / 2) + 0.5);
    pen.stroke();
    pen.setLineDash([]);
  }
}
