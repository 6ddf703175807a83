/** Shows what a call brought: timing, outputs, the text of a generation, or what went wrong. */

import { type Tensor, TidegateError } from "tidegate";
import { make } from "../shell/dom.js";
import { milliseconds, number } from "../shell/format.js";
import { drawing } from "./drawings.js";
import type { Answer } from "./runner.js";
import { describe, excerpt, numbersOf, summarise } from "./summary.js";

const MOST_SHOWN = 128;

/** Show an answer. */
export function answered(answer: Answer): Node[] {
  const { outputs, many, step } = answer;
  const notes: string[] = [];
  if (step !== undefined) notes.push(`Step ${step} of the stream.`);
  if (many) {
    const { times, totalMs, medianMs, largestBatch } = many;
    notes.push(
      `${times} answers in ${milliseconds(totalMs)}, the median after ${milliseconds(medianMs)}; ` +
        `the largest batch had ${largestBatch} rows. The last one:`,
    );
  }
  return [...notes.map((note) => make("p", {}, note)), timing(answer), ...Object.entries(outputs).map(output)];
}

/** Show an error: its code, what it says, and the place at fault. */
export function failed(error: unknown): Node[] {
  if (!(error instanceof TidegateError)) return [make("p", { class: "fault" }, String(error))];
  const { code, message, param, expected, retryable, retryAfterMs } = error;
  const facts = [
    ["at", param],
    ["expected", expected],
    ["try again", retryable ? (retryAfterMs ? `in ${milliseconds(retryAfterMs)}` : "yes") : undefined],
  ] as const;
  const rows = facts.flatMap(([name, fact]) => (fact ? [make("dt", {}, name), make("dd", {}, fact)] : []));
  const head = make("p", {}, make("code", { class: "badge bad" }, code), " ", message);
  return [make("div", { class: "error" }, head, make("dl", { class: "facts" }, ...rows))];
}

/** Show where the time went: waiting, computing, and the way there and back. */
function timing({ timing: { queueUs, computeUs, batchSize }, roundTripMs }: Answer): HTMLElement {
  const [queue, compute] = [queueUs / 1000, computeUs / 1000];
  const rest = Math.max(0, roundTripMs - queue - compute);
  const tiles = [
    ["round trip", milliseconds(roundTripMs), ""],
    ["in the queue", milliseconds(queue), "queue"],
    ["computing", milliseconds(compute), "compute"],
    ["everything else", milliseconds(rest), "rest"],
    ["rows in the batch", number(batchSize), ""],
  ].map(([name, value, kind]) => make("div", { class: `tile ${kind}` }, make("dt", {}, name!), make("dd", {}, value!)));
  const bar = make("div", { class: "split", "aria-hidden": "true" });
  for (const [kind, share] of Object.entries({ queue, compute, rest })) {
    const part = make("span", { class: kind });
    part.style.flexGrow = String(share);
    bar.append(part);
  }
  return make("div", {}, make("dl", { class: "tiles" }, ...tiles), bar);
}

function output([name, tensor]: readonly [string, Tensor]): HTMLElement {
  const numbers = numbersOf(tensor);
  const summary = numbers && summarise(numbers);
  const sketch = numbers && summary && drawing(numbers, summary, name);
  const type = make("code", { class: "muted" }, `${tensor.datatype}[${tensor.shape.join(", ")}]`);
  const several = (numbers?.length ?? 0) > 1;
  return make(
    "section",
    { class: "output" },
    make("h3", {}, name, " ", type),
    ...(summary && several ? [make("p", { class: "muted small" }, describe(summary))] : []),
    ...(sketch ? [sketch] : []),
    make("pre", { class: "values", tabindex: 0, "aria-label": `${name}, its values` }, excerpt(tensor, MOST_SHOWN)),
  );
}
