/** The card with the call as a program: a button for each language, and one that copies. */

import { byId } from "../shell/dom.js";
import type { Call } from "./call.js";
import { HINTS, type Language, write } from "./code.js";

const COPIED_MS = 1_500;

export class CodeCard {
  private language: Language = "python";
  private text = "";
  private readonly code = byId("code", HTMLElement);
  private readonly copy = byId("copy", HTMLButtonElement);
  private readonly buttons = [...byId("languages", HTMLElement).querySelectorAll("button")];

  constructor(private readonly call: () => Call) {
    for (const button of this.buttons) {
      button.addEventListener("click", () => {
        this.language = button.dataset.language as Language;
        this.refresh();
      });
    }
    this.copy.addEventListener("click", () => void this.copied());
  }

  /** Write it anew; while an input is no JSON, say so. */
  refresh(): void {
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.language === this.language));
    byId("hint", HTMLElement).textContent = HINTS[this.language].replace("URL", this.url);
    try {
      this.text = write(this.call(), this.language, this.url);
    } catch (error) {
      this.text = "";
      this.code.textContent = `(${(error as Error).message})`;
      return;
    }
    this.code.textContent = this.text;
  }

  private get url(): string {
    return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1`;
  }

  private async copied(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text);
      this.copy.textContent = "Copied";
    } catch {
      // No clipboard without https or localhost: mark it, so that one key press copies it.
      getSelection()?.selectAllChildren(this.code);
      this.copy.textContent = "Marked: press Ctrl+C";
    }
    setTimeout(() => (this.copy.textContent = "Copy"), COPIED_MS);
  }
}
