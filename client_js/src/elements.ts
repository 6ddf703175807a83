/** From elements that a program gives, or that JSON has, to the array that holds them. Nothing is converted silently. */

import { type DataOf, type Datatype, holderOf, kindOf, type NumericArray } from "./datatypes.js";
import { toBf16, toFp16 } from "./halves.js";
import { type Element, type Elements, utf8Bytes, wrong } from "./tensors.js";

/**
 * Return elements as a datatype has them.
 *
 * Raises InvalidInput if one is of another kind, or if the datatype cannot hold it; a float may lose digits.
 */
export function fill<D extends Datatype>(elements: Elements, datatype: D, where: string): DataOf[D] {
  const list = elements as ArrayLike<Element>;
  if (datatype === "BYTES") return Array.from(list, (element) => asBytes(element, where)) as unknown as DataOf[D];
  const data = new (holderOf(datatype)!)(list.length);
  const { kind, bits } = kindOf(datatype);
  const wide = kind !== "f" && bits === 64;
  const convert = datatype === "FP16" ? toFp16 : datatype === "BF16" ? toBf16 : Number;
  const infinite = datatype === "FP16" ? 0x7c00 : datatype === "BF16" ? 0x7f80 : Infinity;
  for (let i = 0; i < list.length; i++) {
    const element = list[i]!;
    const given = typeof element === "string" || typeof element === "object" ? undefined : element; // null is an object
    const value = given === undefined ? undefined : wide ? asBigInt(given) : convert(Number(given));
    let held = value !== undefined;
    if (value !== undefined) {
      data[i] = value;
      const size = bits === 16 ? Number(data[i]) & 0x7fff : Math.abs(Number(data[i]));
      held = kind === "f" ? size !== infinite || !Number.isFinite(Number(given)) : data[i] === value;
    }
    if (!held || (kind === "b" && Number(given) > 1)) throw wrong(`${element} is no ${datatype}`, `${where}[${i}]`);
  }
  return data as unknown as DataOf[D];
}

/** Return a typed array as a datatype, if nothing but digits of floats can be lost; else undefined. */
export function convert(data: NumericArray, from: Datatype, to: Datatype, where: string): DataOf[Datatype] | undefined {
  if (data.constructor === holderOf(to)) return data as unknown as DataOf[Datatype];
  return converts(from, to) ? fill(data, to, where) : undefined;
}

function converts(from: Datatype, to: Datatype): boolean {
  const [a, b] = [kindOf(from), kindOf(to)];
  if (to === "BYTES" || to === "BOOL") return false;
  if (a.kind === b.kind) return a.kind === "f" || a.bits <= b.bits;
  if (b.kind === "f") return a.bits < b.bits || b.bits === 64;
  return a.kind === "u" && b.kind === "i" && a.bits < b.bits;
}

function asBigInt(element: number | bigint | boolean): bigint | undefined {
  return typeof element !== "number" || Number.isSafeInteger(element) ? BigInt(element) : undefined;
}

function asBytes(element: Element, where: string): Uint8Array {
  if (typeof element === "string") return utf8Bytes(element);
  if (element instanceof Uint8Array) return element;
  throw wrong("expected a string or bytes", where);
}
