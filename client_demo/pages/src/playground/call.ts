/** A call as a person put it together, and the same for the SDK. It sends nothing. */

import { type Element, type GivenTensor, tensor } from "tidegate";
import type { Mode } from "./signature.js";
import type { Filled, Scalar } from "./values.js";

/** What a generation is asked for beside its prompt. */
export interface Wishes {
  readonly maxSteps: number;
  readonly temperature: number;
}

export interface Call {
  readonly model: string;
  readonly version: string;
  readonly mode: Mode;
  /** What the stream is opened with. */
  readonly constants: readonly Filled[];
  readonly inputs: readonly Filled[];
  readonly wishes: Wishes;
}

/** Return tensors by name, for the SDK. */
export function tensors(filled: readonly Filled[]): Record<string, GivenTensor> {
  return Object.fromEntries(filled.map((each) => [each.name, given(each)]));
}

export function given({ datatype, shape, values }: Filled): GivenTensor {
  return tensor(datatype === "BYTES" ? (values as string[]) : values.map(element), shape, datatype);
}

/** Strings stand for numbers that JSON has not. */
function element(value: Scalar): Element {
  if (typeof value !== "string") return value;
  return /^[+-]?\d+$/.test(value) ? BigInt(value) : Number(value);
}
