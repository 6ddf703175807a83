/** Tells why a model cannot be asked here. It asks nobody. */

import type { ModelEntry } from "tidegate";

/** Return what is wrong, for a person; undefined if the model serves. */
export function whyNot(models: readonly ModelEntry[], name: string): string | undefined {
  const found = models.filter((model) => model.name === name);
  if (found.some(({ state }) => state === "ready")) return undefined;
  const [entry] = found;
  if (!entry) return `This gateway does not serve ${name}.`;
  return `This gateway does not serve ${name}: ${entry.error ?? entry.state.replaceAll("_", " ")}`;
}
