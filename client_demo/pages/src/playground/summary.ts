/** A tensor that came, in short: its smallest, largest and mean number, and its first elements. Pure functions. */

import { type Tensor, toNumbers, toStrings } from "tidegate";
import { number } from "../shell/format.js";
import { count, nest, type Scalar, write } from "./values.js";

export interface Summary {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Where the largest is. */
  readonly argmax: number;
  /** Elements that are no finite numbers, which the others leave out. */
  readonly strange: number;
}

/** Return the elements as numbers; undefined for byte strings. */
export function numbersOf(tensor: Tensor): ArrayLike<number> | undefined {
  return tensor.datatype === "BYTES" ? undefined : toNumbers(tensor);
}

/** Summarise numbers; undefined if none of them is finite. */
export function summarise(values: ArrayLike<number>): Summary | undefined {
  let [min, max, sum, argmax, finite] = [Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    finite += 1;
    sum += value;
    if (value > max) [max, argmax] = [value, i];
    if (value < min) min = value;
  }
  return finite ? { min, max, mean: sum / finite, argmax, strange: values.length - finite } : undefined;
}

/** Write the first elements of a tensor, nested if all of them fit. */
export function excerpt(tensor: Tensor, most: number): string {
  const all = count(tensor.shape);
  const elements = elementsOf(tensor, Math.min(all, most));
  if (all <= most) return write(nest(elements, tensor.shape));
  const rest = (all - most).toLocaleString("en-US");
  return `[${elements.map((each) => JSON.stringify(each)).join(", ")}, … ${rest} more]`;
}

function elementsOf(tensor: Tensor, most: number): Scalar[] {
  if (tensor.datatype === "BYTES") return toStrings({ ...tensor, data: tensor.data.slice(0, most) });
  if (tensor.datatype === "BOOL") return Array.from(tensor.data.subarray(0, most), (bit) => bit === 1);
  if (tensor.datatype === "INT64" || tensor.datatype === "UINT64") {
    return Array.from(tensor.data.subarray(0, most) as BigInt64Array, (each) => wide(each));
  }
  return Array.from({ length: most }, (_, i) => short(numbersOf(tensor)![i]!));
}

function wide(value: bigint): Scalar {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function short(value: number): Scalar {
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : String(value);
}

/** Say the summary in words. */
export function describe({ min, max, mean, strange }: Summary): string {
  const odd = strange ? `, ${strange} not finite` : "";
  return `min ${number(min)} · max ${number(max)} · mean ${number(mean)}${odd}`;
}
