/** The page `/playground`: pick a model, fill in its inputs, run it, see what came, take the call along as a program. */

import type { Connection, ModelEntry } from "tidegate";
import { byId, make } from "../shell/dom.js";
import { startPage } from "../shell/page.js";
import { about } from "./about.js";
import { answered, failed } from "./answer.js";
import type { Call } from "./call.js";
import { first, title } from "./choices.js";
import { CodeCard } from "./code-card.js";
import { InputEditor } from "./editor.js";
import { Runner } from "./runner.js";
import { describe, type Mode, modes, slots, vocabulary } from "./signature.js";
import { promptOf, Writing } from "./writing.js";

const NAMES: Readonly<Record<Mode, string>> = { infer: "one request", stream: "a step of a stream", generate: "generation" };

class Playground {
  private model: ModelEntry | undefined;
  private mode: Mode = "infer";
  private editors: InputEditor[] = [];
  private stop: AbortController | undefined;
  private readonly runner: Runner;
  private readonly code = new CodeCard(() => this.call());
  private readonly answer = byId("answer", HTMLElement);
  private readonly run = byId("run", HTMLButtonElement);
  private readonly again = byId("again", HTMLButtonElement);
  private readonly times = byId("times", HTMLSelectElement);
  private readonly maxSteps = byId("max-steps", HTMLInputElement);
  private readonly temperature = byId("temperature", HTMLInputElement);
  private readonly promptText = byId("prompt-text", HTMLInputElement);

  constructor(gw: Connection, models: readonly ModelEntry[]) {
    this.runner = new Runner(gw);
    const select = byId("model", HTMLSelectElement);
    select.replaceChildren(...models.map((model, i) => make("option", { value: i }, title(model))));
    const wished = new URLSearchParams(location.search).get("model");
    select.value = String(Math.max(0, wished ? models.findIndex(({ name }) => name === wished) : first(models)));
    select.addEventListener("change", () => this.choose(models[Number(select.value)]!));
    this.run.addEventListener("click", () => (this.stop ? this.stop.abort() : void this.start()));
    this.again.addEventListener(
      "click",
      () => void this.runner.forget().then(() => this.say("The next run begins a new stream.")),
    );
    for (const field of [this.maxSteps, this.temperature]) field.addEventListener("input", () => this.code.refresh());
    this.promptText.addEventListener("input", () => this.spell());
    byId("ask", HTMLElement).addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void this.start();
    });
    this.choose(models[Number(select.value)]!);
  }

  private choose(model: ModelEntry): void {
    this.model = model;
    void this.runner.forget();
    history.replaceState(null, "", `?model=${encodeURIComponent(model.name)}`);
    byId("about", HTMLElement).replaceChildren(...about(model));
    const ready = model.state === "ready";
    byId("how", HTMLElement).hidden = byId("program", HTMLElement).hidden = !ready;
    const choices = ready ? modes(model) : [];
    byId("modes", HTMLElement).replaceChildren(...choices.map((mode) => this.modeButton(mode)));
    if (choices[0]) this.change(choices[0]);
    this.say(ready ? "Nothing was run yet." : "This model does not serve.");
  }

  private modeButton(mode: Mode): HTMLElement {
    const button = make("button", { type: "button", "data-mode": mode, "aria-pressed": "false" }, NAMES[mode]);
    button.addEventListener("click", () => this.change(mode));
    return button;
  }

  private change(mode: Mode): void {
    const model = this.model!;
    this.mode = mode;
    for (const button of byId("modes", HTMLElement).querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    byId("mode-text", HTMLElement).textContent = describe(model, mode);
    byId("wishes", HTMLElement).hidden = mode !== "generate";
    byId("spelling", HTMLElement).hidden = !vocabulary(model);
    byId("many", HTMLElement).hidden = mode !== "infer";
    this.again.hidden = mode !== "stream";
    this.run.textContent = mode === "stream" ? "Run one step" : "Run";
    this.editors = [];
    this.editors = slots(model, mode).map((slot) => new InputEditor(slot, () => this.code.refresh()));
    byId("inputs", HTMLElement).replaceChildren(...this.editors.map(({ element }) => element));
    if (mode === "generate" && vocabulary(model)) this.spell();
    this.code.refresh();
  }

  /** Write the prompt's text as token ids; what the model has no token for is left out. */
  private spell(): void {
    const ids = new Map(vocabulary(this.model!)?.map((text, id) => [text, id]));
    this.editors[0]?.put([...this.promptText.value].flatMap((letter) => ids.get(letter) ?? []));
  }

  /** What is filled in. Raises SyntaxError if an input is no JSON. */
  private call(): Call {
    const { model, mode } = this;
    const filled = this.editors.map((editor) => ({ editor, filled: editor.filled() }));
    const of = (constant: boolean) => filled.flatMap((each) => (each.editor.slot.constant === constant ? [each.filled] : []));
    const wishes = { maxSteps: Number(this.maxSteps.value) || 1, temperature: Number(this.temperature.value) || 0 };
    return { model: model!.name, version: model!.version ?? "", mode, constants: of(true), inputs: of(false), wishes };
  }

  private async start(): Promise<void> {
    if (this.stop) return;
    this.stop = new AbortController();
    this.run.textContent = this.mode === "generate" ? "Stop" : "Running …";
    this.run.setAttribute("aria-busy", "true");
    try {
      const call = this.call();
      if (call.mode === "generate") await this.generate(call, this.stop.signal);
      else
        this.show(
          answered(await (call.mode === "stream" ? this.runner.step(call) : this.runner.infer(call, Number(this.times.value)))),
        );
    } catch (error) {
      if (!this.stop.signal.aborted) this.show(failed(error));
    } finally {
      this.stop = undefined;
      this.run.removeAttribute("aria-busy");
      this.run.textContent = this.mode === "stream" ? "Run one step" : "Run";
    }
  }

  private async generate(call: Call, signal: AbortSignal): Promise<void> {
    const writing = new Writing(promptOf(call, vocabulary(this.model!)));
    this.show(writing.nodes);
    for await (const result of this.runner.generate(call, signal)) writing.add(result);
  }

  private say(text: string): void {
    this.show([make("p", { class: "muted" }, text)]);
  }

  private show(nodes: readonly Node[]): void {
    this.answer.replaceChildren(...nodes);
  }
}

const gw = await startPage();
const models = await gw.models();
if (models.length) new Playground(gw, models);
else byId("answer", HTMLElement).textContent = "This gateway serves no models.";
