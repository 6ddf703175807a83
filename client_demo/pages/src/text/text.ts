/** The page `/text`: several texts, written at once. */

import type { Connection } from "tidegate";
import { onReturn } from "../demo/returns.js";
import { byId } from "../shell/dom.js";
import { number } from "../shell/format.js";
import { startPage, tell } from "../shell/page.js";
import { Card } from "./card.js";
import "./text.css";
import { Vocabulary } from "./vocabulary.js";
import { type Wish, write } from "./writer.js";

const BEFORE = "\n"; // what a verse begins after

const form = byId("wishes", HTMLFormElement);
const field = (id: string): HTMLInputElement => byId(id, HTMLInputElement);
const stopAll = byId("stop", HTMLButtonElement);
const summary = byId("summary", HTMLElement);
let cards: Card[] = [];
let everything = new AbortController();

async function begin(gw: Connection, vocabulary: Vocabulary): Promise<void> {
  const prompt = field("prompt").value;
  const wish = {
    prompt: vocabulary.encode(BEFORE + prompt),
    temperature: field("temperature").valueAsNumber,
    pace: () => Number(byId("pace", HTMLSelectElement).value),
  };
  everything.abort();
  const mine = (everything = new AbortController());
  const seeds = Array.from({ length: field("count").valueAsNumber }, (_, index) => field("seed").valueAsNumber + index);
  cards = [];
  const start = performance.now();
  const texts = seeds.map((seed) => writeCard(gw, prompt, { ...wish, seed }, mine.signal));
  byId("texts", HTMLElement).replaceChildren(...cards.map(({ element }) => element));
  stopAll.disabled = false;
  summary.textContent = `Writing ${seeds.length} texts …`;
  await Promise.all(texts);
  if (mine === everything) finish((performance.now() - start) / 1000);
}

/** Let one text be written on a card of its own; it fails by itself. */
async function writeCard(gw: Connection, prompt: string, wish: Wish, all: AbortSignal): Promise<void> {
  const own = new AbortController();
  const card = new Card(prompt, wish.seed, () => own.abort());
  cards.push(card);
  const signal = AbortSignal.any([own.signal, all]);
  signal.addEventListener("abort", () => card.stopped());
  try {
    await write(
      gw,
      wish,
      signal,
      (progress) => card.show(progress),
      () => card.again(),
    );
    card.end();
  } catch (error) {
    if (!signal.aborted) card.end(error);
  }
}

function finish(tookS: number): void {
  stopAll.disabled = true;
  const count = cards.reduce((sum, card) => sum + card.count, 0);
  summary.textContent = `${cards.length} texts, ${number(count)} characters in ${number(tookS)} s: ${number(count / tookS)} a second, all together.`;
}

/** Say what is wrong with the prompt before anything is asked. */
function check(vocabulary: Vocabulary): void {
  const unknown = vocabulary.unknown(field("prompt").value);
  field("prompt").setCustomValidity(unknown.length ? `The model does not know ${unknown.join(" ")}` : "");
}

async function start(): Promise<void> {
  const gw = await startPage();
  const vocabulary = Vocabulary.of(await gw.models(), "chars");
  onReturn(gw, (awayMs) => cards.forEach((card) => card.back(awayMs)));
  check(vocabulary);
  field("prompt").addEventListener("input", () => check(vocabulary));
  form.addEventListener("submit", () => void begin(gw, vocabulary));
  byId("write", HTMLButtonElement).disabled = false;
}

field("temperature").addEventListener("input", () => {
  byId("temperature-shown", HTMLElement).textContent = field("temperature").valueAsNumber.toFixed(1);
});
stopAll.addEventListener("click", () => everything.abort());
form.addEventListener("submit", (event) => event.preventDefault());
start().catch((error: unknown) => tell(error instanceof Error ? error.message : String(error), "bad"));
