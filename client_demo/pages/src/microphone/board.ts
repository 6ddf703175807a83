/** What the page shows of a session: the curve, numbers, when there was speech, and what happened. */

import { byId, make } from "../shell/dom.js";
import { clockTime, milliseconds, number, seconds } from "../shell/format.js";
import { Curve } from "./curve.js";
import { CHUNK_S, type Heard } from "./listen.js";
import { Newest } from "./numbers.js";
import { isSpeech, type Span, Spans } from "./speech.js";

const SHOWN_S = 12;
const SHOWN = Math.round(SHOWN_S / CHUNK_S);
const TIMED = 500; // round trips that the numbers are of
const NOTES = 6;

export class Board {
  private readonly probabilities = new Newest(SHOWN);
  private readonly times = new Newest(TIMED);
  private readonly curve = new Curve(byId("curve", HTMLCanvasElement), () => this.probabilities.all, SHOWN, CHUNK_S);
  private readonly verdict = byId("verdict", HTMLElement);
  private readonly lines = byId("spans", HTMLElement);
  private spans = new Spans(CHUNK_S);
  private count = 0;
  private reconnects = 0;

  /** Begin anew. */
  begin(): void {
    this.probabilities.clear();
    this.times.clear();
    this.spans = new Spans(CHUNK_S);
    this.count = 0;
    this.lines.replaceChildren();
    byId("no-spans", HTMLElement).hidden = false;
    this.say("listening", "no");
  }

  end(): void {
    this.say("not listening", "off");
  }

  /** Show what was heard in one more chunk. */
  add({ speech, tookMs, batch }: Heard): void {
    this.count++;
    this.probabilities.add(speech);
    this.times.add(tookMs);
    this.curve.update(this.count);
    if (this.spans.add(speech)) this.showSpan();
    if (isSpeech(speech)) this.say("speech", "yes");
    else this.say("silence", "no");
    set("batch", number(batch));
    set("chunks", number(this.count));
  }

  /** Show the numbers that change too often to be read. */
  refresh(dropped: number): void {
    set("p50", milliseconds(this.times.quantile(0.5)));
    set("p99", milliseconds(this.times.quantile(0.99)));
    set("dropped", number(dropped));
  }

  /** Take note that the connection is there again. */
  back(awayMs: number): void {
    set("reconnects", number(++this.reconnects));

    this.note(`The connection was lost for ${seconds(awayMs)}. What was heard meanwhile has waited here and is sent now.`);
  }

  note(text: string): void {
    const notes = byId("notes", HTMLElement);
    byId("no-notes", HTMLElement).hidden = true;
    notes.prepend(make("li", {}, make("time", {}, clockTime(Date.now())), ` ${text}`));
    while (notes.children.length > NOTES) notes.lastElementChild!.remove();
  }

  private showSpan(): void {
    const { found } = this.spans;
    byId("no-spans", HTMLElement).hidden = true;
    if (this.lines.childElementCount < found.length) this.lines.append(make("li"));
    this.lines.lastElementChild!.textContent = written(found.at(-1)!);
  }

  private say(text: string, speech: "yes" | "no" | "off"): void {
    if (this.verdict.dataset.speech === speech) return;
    this.verdict.dataset.speech = speech;
    this.verdict.textContent = text;
  }
}

function written({ from, to }: Span): string {
  return `from ${from.toFixed(2)} s to ${to.toFixed(2)} s`;
}

function set(id: string, text: string): void {
  byId(id, HTMLElement).textContent = text;
}
