/** One text on the page: what is written so far, how fast, what happened to it, and a button that stops it. */

import { make } from "../shell/dom.js";
import { number, seconds } from "../shell/format.js";
import type { Progress } from "./writer.js";

const ENDS: Readonly<Record<string, string>> = {
  stop: "the verse has ended",
  length: "as long as the model can",
};

export class Card {
  readonly element: HTMLElement;
  /** Characters that are there. */
  count = 0;
  private readonly body = make("span", { class: "written" });
  private readonly status = make("span", { class: "muted small" });
  private readonly note = make("p", { class: "note small", hidden: true });
  private readonly stop = make("button", { type: "button" }, "Stop");
  private awayMs: number | undefined; // the connection was away for so long, and nothing came since

  constructor(
    prompt: string,
    private readonly seed: number,
    onStop: () => void,
  ) {
    const text = make("p", { class: "text" }, make("span", { class: "muted" }, prompt), this.body);
    const foot = make("div", { class: "row foot" }, this.status, this.stop);
    this.element = make(
      "article",
      { class: "card", "aria-busy": "true", "aria-label": `Text of seed ${seed}` },
      text,
      this.note,
      foot,
    );
    this.tell("waiting");
    this.stop.addEventListener("click", onStop);
  }

  /** Show what there is by now. */
  show({ text, rate, reason }: Progress): void {
    this.count = text.length;
    this.body.textContent = text;
    const state = reason ? (ENDS[reason] ?? reason) : "writing";
    this.tell(`${text.length} characters`, `${number(rate)}/s`, state);
    if (this.awayMs === undefined) return;
    this.say(`The connection was lost for ${seconds(this.awayMs)}. The text went on where it was: no character is missing.`);
    this.awayMs = undefined;
  }

  /** Take note that the connection is there again; what comes next shows whether the text was kept. */
  back(awayMs: number): void {
    if (this.element.ariaBusy === "true") this.awayMs = awayMs;
  }

  /** Say that it begins again, since the gateway does not have it any more. */
  again(): void {
    this.awayMs = undefined;
    this.body.textContent = "";
    this.say("The gateway was started anew and had lost the text. It is written again, from the same seed.");
  }

  /** Show that nothing more comes, since it was stopped. */
  stopped(): void {
    if (this.element.ariaBusy !== "true") return;
    this.tell(`${this.count} characters`, "stopped");
    this.end();
  }

  end(error?: unknown): void {
    this.element.ariaBusy = "false";
    this.stop.disabled = true;
    if (error) this.say(error instanceof Error ? error.message : String(error));
  }

  private tell(...parts: string[]): void {
    this.status.textContent = [`seed ${this.seed}`, ...parts].join(" · ");
  }

  private say(text: string): void {
    this.note.hidden = false;
    this.note.textContent = text;
  }
}
