/** Says of a model what goes in and out, and whether and why its requests run together. */

import type { ModelEntry, TensorSpec } from "tidegate";
import { make } from "../shell/dom.js";
import { batching, modes } from "./signature.js";

export function about(model: ModelEntry): Node[] {
  if (model.state !== "ready") return [make("p", { class: "fault" }, model.error ?? "it does not serve")];
  const { label, reason, batched } = batching(model);
  const streams = modes(model)[0] !== "infer" ? "It remembers: ask it as a stream, and the gateway keeps its state." : "";
  const notes = Object.entries((model.metadata ?? {}) as Record<string, unknown>);
  return [
    make(
      "p",
      {},
      make("span", { class: `badge ${batched ? "good" : "warn"}` }, label),
      " ",
      make("span", { class: "small" }, `${reason}.`),
    ),
    ...(streams ? [make("p", { class: "small" }, streams)] : []),
    make(
      "details",
      {},
      make("summary", {}, "Signature"),
      table("Inputs", model.inputs ?? []),
      table("Outputs", model.outputs ?? []),
      ...(notes.length ? [facts(notes)] : []),
    ),
  ];
}

function table(caption: string, specs: readonly TensorSpec[]): HTMLElement {
  const rows = specs.map(({ name, datatype, shape, batch_axis }) => {
    const size = (each: number, axis: number): string => (axis === batch_axis ? "N" : each < 0 ? "?" : String(each));
    return make("tr", {}, make("td", {}, name), make("td", {}, make("code", {}, `${datatype}[${shape.map(size).join(", ")}]`)));
  });
  return make(
    "div",
    { class: "scroll" },
    make("table", { class: "signature" }, make("caption", {}, caption), make("tbody", {}, ...rows)),
  );
}

function facts(notes: readonly (readonly [string, unknown])[]): HTMLElement {
  const rows = notes.flatMap(([name, value]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, String(value))]);
  return make("dl", { class: "facts small" }, ...rows);
}
