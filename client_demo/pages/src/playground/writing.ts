/** Shows a text while a model writes it, and how fast it does. */

import type { StreamResult } from "tidegate";
import { make } from "../shell/dom.js";
import { number } from "../shell/format.js";
import type { Call } from "./call.js";

export class Writing {
  readonly nodes: readonly HTMLElement[];
  private readonly text: HTMLElement;
  private readonly note = make("p", { class: "muted small" });
  private readonly start = performance.now();
  private tokens = 0;

  constructor(prompt: string) {
    this.text = make("pre", { class: "text", "aria-label": "What the model writes" }, make("span", { class: "muted" }, prompt));
    this.nodes = [this.text, this.note];
  }

  /** Add a token. */
  add({ text, outputs, timing, reason }: StreamResult): void {
    this.text.append(text ?? ` ${outputs.token?.data[0]}`);
    this.tokens += 1;
    const pace = number((this.tokens / (performance.now() - this.start)) * 1000);
    const end = reason ? ` Ended: ${reason}.` : "";
    this.note.textContent = `${this.tokens} tokens, ${pace} a second, the last one in a batch of ${timing.batchSize}.${end}`;
  }
}

/** Return the prompt of a call as text, if the model's tokens have one. */
export function promptOf({ inputs }: Call, words: readonly string[] = []): string {
  return inputs[0]!.values.map((id) => words[Number(id)] ?? "").join("");
}
