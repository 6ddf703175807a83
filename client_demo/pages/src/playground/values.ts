/** Tensors as JSON that a person edits: made, nested, written, and read back with their shape. Pure functions. */

import type { Datatype } from "tidegate";

/** An element as JSON has it: `"NaN"`, `"Infinity"` and integers beyond 2^53 are strings, as in the protocol. */
export type Scalar = number | boolean | string;
export type Nested = Scalar | readonly Nested[];
export type Fill = "zeros" | "ones" | "random";

/** A tensor that can be sent. */
export interface Filled {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: readonly Scalar[];
}

/** More elements than these are not written into a text field: the page would become slow. */
export const MOST_ELEMENTS = 20_000;

export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Make the elements of a tensor. */
export function fill(datatype: Datatype, elements: number, how: Fill, random: () => number = Math.random): Scalar[] {
  const make = maker(datatype, how, random);
  return Array.from({ length: elements }, make);
}

function maker(datatype: Datatype, how: Fill, random: () => number): () => Scalar {
  const isFloat = /^(FP|BF)/.test(datatype);
  if (datatype === "BOOL") return () => (how === "random" ? random() < 0.5 : how === "ones");
  if (datatype === "BYTES") return () => (how === "random" ? ["tide", "gate", "sea"][Math.floor(random() * 3)]! : "");
  if (how !== "random") return () => (how === "ones" ? 1 : 0);
  return isFloat ? () => Math.round(random() * 1000) / 1000 : () => Math.floor(random() * 10);
}

/** Nest elements as their shape says; a scalar is the bare element. */
export function nest(values: readonly Scalar[], shape: readonly number[]): Nested {
  if (!shape.length) return values[0]!;
  const [size, ...inner] = shape as [number, ...number[]];
  const step = count(inner);
  return Array.from({ length: size }, (_, i) => nest(values.slice(i * step, (i + 1) * step), inner));
}

/** Write nested elements: the innermost arrays on a line each. */
export function write(nested: Nested, indent = ""): string {
  if (!Array.isArray(nested)) return JSON.stringify(nested);
  const inner = nested as readonly Nested[];
  if (!inner.some(Array.isArray)) return `[${inner.map((each) => JSON.stringify(each)).join(", ")}]`;
  const deeper = `${indent}  `;
  return `[\n${inner.map((each) => deeper + write(each, deeper)).join(",\n")}\n${indent}]`;
}

export interface Read {
  readonly values: readonly Scalar[];
  /** As the nesting says; undefined for a flat array, which may have any shape. */
  readonly shape: readonly number[] | undefined;
}

/** Read what a person wrote. Raises SyntaxError with a sentence that says what is wrong. */
export function read(text: string): Read {
  if (!text.trim()) throw new SyntaxError("empty: write JSON, or generate something");
  const given = JSON.parse(text) as unknown;
  const values: Scalar[] = [];
  const shape: (number | undefined)[] = [];
  collect(given, 0, shape, values);
  return { values, shape: Array.isArray(given) && shape.length === 1 ? undefined : (shape as number[]) };
}

function collect(given: unknown, depth: number, shape: (number | undefined)[], values: Scalar[]): void {
  if (!Array.isArray(given)) {
    if (depth < shape.length) throw new SyntaxError("arrays and elements are mixed at one depth");
    if (given === null || typeof given === "object") throw new SyntaxError("elements are numbers, booleans or strings");
    values.push(given as Scalar);
    return;
  }
  if (values.length && depth >= shape.length) throw new SyntaxError("arrays and elements are mixed at one depth");
  shape[depth] ??= given.length;
  if (shape[depth] !== given.length) {
    throw new SyntaxError(`uneven: an array of ${given.length} beside one of ${shape[depth]}`);
  }
  for (const each of given) collect(each, depth + 1, shape, values);
}

/**
 * Return the shape that is sent: what the nesting says, or for a flat array the sizes, if it has so many elements. What fits
 * nothing is sent as it is, so that the gateway says what is wrong with it.
 */
export function shapeOf({ values, shape }: Read, sizes: readonly number[]): readonly number[] {
  if (values.length === count(sizes) && (!values.length || !shape || shape.length !== sizes.length)) return sizes;
  return shape ?? [values.length];
}
