/** Writes the types of a gateway's models as TypeScript. It fetches nothing. */

import type { ModelEntry } from "./messages.js";

interface StreamEntry {
  readonly inputs?: readonly { readonly name: string }[];
  readonly outputs?: readonly string[];
  readonly constants?: readonly { readonly name: string; readonly default?: unknown }[];
}

/** Return the types of the models in the list that `GET /models` has. Of several versions of a model, the last one counts. */
export function typesOf(models: readonly ModelEntry[], source: string): string {
  const ready = new Map(models.filter(({ state }) => state === "ready").map((model) => [model.name, model]));
  const blocks = [...ready.values()].map(block);
  return `// Written by: npx tidegate types ${source}
import type { Tensor, Value } from "tidegate";

export interface Models {
${blocks.join("\n")}
}
`;
}

function block(model: ModelEntry): string {
  const stream = (model.stream ?? {}) as StreamEntry;
  const datatypes = new Map((model.outputs ?? []).map(({ name, datatype }) => [name, datatype]));
  const result = (name: string): [string, string] => [name, `Tensor<"${datatypes.get(name) ?? "INT64"}">`];
  const value = ({ name }: { readonly name: string }): [string, string] => [name, "Value"];
  const constants = (stream.constants ?? []).map(({ name, default: given }): [string, string, string] => [
    name,
    "Value",
    given === undefined ? "" : "?",
  ]);
  return `  ${JSON.stringify(model.name)}: {
    inputs: ${fields((model.inputs ?? []).map(value))};
    outputs: ${fields((model.outputs ?? []).map(({ name }) => result(name)))};
    constants: ${fields(constants)};
    step: ${fields((stream.inputs ?? []).map(value))};
    results: ${fields((stream.outputs ?? []).map(result))};
  };`;
}

function fields(list: readonly (readonly [string, string, string?])[]): string {
  const written = list.map(([name, type, mark]) => `readonly ${JSON.stringify(name)}${mark ?? ""}: ${type}`);
  return written.length ? `{ ${written.join("; ")} }` : "Record<string, never>";
}
