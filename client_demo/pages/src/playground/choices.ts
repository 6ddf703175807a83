/** The list of models to choose from: what each is called there, and which one comes first. */

import type { ModelEntry } from "tidegate";
import { modes } from "./signature.js";

/** What a model is called in the list. */
export function title({ name, version, state }: ModelEntry): string {
  const more = state === "ready" ? (version ? ` (version ${version})` : "") : ` (${state.replace("_", " ")})`;
  return name + more;
}

/** The model to begin with: one that answers a single request, and in which there is something to see. */
export function first(models: readonly ModelEntry[]): number {
  const simple = models.findIndex(
    (model) => model.state === "ready" && modes(model)[0] === "infer" && model.inputs?.length === 1,
  );
  return simple >= 0 ? simple : models.findIndex(({ state }) => state === "ready");
}
