/** What a model takes and how it may be asked, from its description; and why it is batched, in a sentence. It asks nobody. */

import type { Datatype, ModelEntry } from "tidegate";
import type { Fill } from "./values.js";

/** How a model is asked: once, a step of a stream whose state stays at the gateway, or by letting it feed itself. */
export type Mode = "infer" | "stream" | "generate";

/** An input to be filled in; −1 is a dimension of any size, for which `sizes` has something to begin with. */
export interface Slot {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly sizes: readonly number[];
  readonly first: Fill;
  /** A value that the model declares, instead of a generated one. */
  readonly preset: number | undefined;
  /** Whether a stream is opened with it, instead of each step bringing it. */
  readonly constant: boolean;
}

/** What a model's description has beside what the SDK knows of it. */
interface StreamSpec {
  readonly inputs: readonly {
    readonly name: string;
    readonly datatypes: readonly Datatype[];
    readonly shape: readonly number[];
    readonly chunk?: {
      readonly axis: number;
      readonly by: string | null;
      readonly lengths: readonly number[] | Readonly<Record<string, readonly number[]>>;
    };
  }[];
  readonly constants: readonly {
    readonly name: string;
    readonly datatype: Datatype;
    readonly shape: readonly number[];
    readonly default?: unknown;
  }[];
  readonly states: readonly unknown[];
  readonly loop: { readonly vocab?: readonly string[]; readonly max_steps?: number } | null;
}
interface Batching {
  readonly verdict: string;
  readonly reason: string;
  readonly max_batch: number;
}

const streamOf = (model: ModelEntry): StreamSpec | undefined => model.stream as StreamSpec | undefined;

/** Return the ways in which a model can be asked; the one that suits it comes first. */
export function modes(model: ModelEntry): readonly Mode[] {
  const stream = streamOf(model);
  if (!stream) return ["infer"];
  if (stream.loop) return ["generate", "stream", "infer"];
  return stream.states.length ? ["stream", "infer"] : ["infer", "stream"];
}

/** Return the characters or words of a model that writes, by token id. */
export function vocabulary(model: ModelEntry): readonly string[] | undefined {
  return streamOf(model)?.loop?.vocab;
}

/** Say in a sentence what a mode does with this model. */
export function describe(model: ModelEntry, mode: Mode): string {
  if (mode === "infer") return "One request with all inputs, one answer. Nothing is remembered.";
  if (mode === "generate") return "The model feeds itself: each token is pushed as it is made, from a prompt of token ids.";
  const states = streamOf(model)?.states.length ?? 0;
  const state = states ? `Its state (${states} tensor${states > 1 ? "s" : ""}) stays at the gateway` : "It has no state";
  return `${state}: each run is the next step of one stream, in order.`;
}

/** Say whether and why requests of this model run together. */
export function batching(model: ModelEntry): { readonly label: string; readonly reason: string; readonly batched: boolean } {
  const { verdict, reason, max_batch } = (model.batching ?? {}) as Partial<Batching>;
  if (!verdict || verdict === "none") return { label: "one at a time", reason: reason ?? "", batched: false };
  return { label: `batched up to ${max_batch}, ${verdict}`, reason: reason ?? "", batched: true };
}

/** Return what has to be filled in. */
export function slots(model: ModelEntry, mode: Mode): readonly Slot[] {
  const stream = streamOf(model);
  if (mode === "generate") return [slot({ name: "prompt", datatype: "INT64", shape: [1, -1] })];
  const axes = new Map(model.inputs?.map(({ name, batch_axis }) => [name, batch_axis]));
  const lengths = new Map(stream?.inputs.map((input) => [input.name, chunkLength(stream, input)]));
  if (mode === "infer" || !stream) {
    const presets = new Map(stream?.constants.map((constant) => [constant.name, constant.default]));
    return (model.inputs ?? []).map((input) =>
      slot({ ...input, batchAxis: input.batch_axis, chunk: lengths.get(input.name), preset: presets.get(input.name) }),
    );
  }
  const constants = stream.constants.map((each) => slot({ ...each, preset: each.default, constant: true }));
  const steps = stream.inputs.map(({ name, datatypes, shape }) =>
    slot({ name, datatype: datatypes[0]!, shape, batchAxis: axes.get(name), chunk: lengths.get(name) }),
  );
  return [...constants, ...steps];
}

interface Chunk {
  readonly axis: number;
  readonly length: number | undefined;
}
interface Known {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly batchAxis?: number | null | undefined;
  readonly chunk?: Chunk | undefined;
  readonly preset?: unknown;
  readonly constant?: boolean;
}

function slot({ name, datatype, shape, batchAxis, chunk, preset, constant = false }: Known): Slot {
  const sizes = shape.map((size, axis) => {
    if (size >= 0) return size;
    if (axis === batchAxis) return 1;
    return (axis === chunk?.axis ? chunk.length : undefined) ?? usual(name, datatype);
  });
  const first = /mask/.test(name) ? "ones" : "random";
  return { name, datatype, shape, sizes, first, preset: typeof preset === "number" ? preset : undefined, constant };
}

/** What nobody declares is guessed: caches begin empty, sequences of ids are short, signals are longer. */
function usual(name: string, datatype: Datatype): number {
  if (name.startsWith("past")) return 0;
  return /^(FP|BF)/.test(datatype) ? 256 : 8;
}

/** Return the declared chunk length; where it depends on a constant, that of the constant's default. */
function chunkLength(stream: StreamSpec, { chunk }: StreamSpec["inputs"][number]): Chunk | undefined {
  if (!chunk) return undefined;
  const by = stream.constants.find(({ name }) => name === chunk.by)?.default;
  const lengths = isList(chunk.lengths) ? chunk.lengths : chunk.lengths[String(by)];
  return { axis: chunk.axis, length: lengths?.[0] };
}

function isList(lengths: object): lengths is readonly number[] {
  return Array.isArray(lengths);
}
