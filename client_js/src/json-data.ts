/** Tensors as JSON has them, in text messages. It knows no other part of a message. */

import type { Tensors } from "./codec.js";
import { type DataOf, type Datatype, kindOf } from "./datatypes.js";
import { fill } from "./elements.js";
import { count, type Element, type Tensor, toNumbers, wrong } from "./tensors.js";

const NOT_FINITE: Record<string, number> = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Read the elements of a tensor; they are a flat array, nested as the shape says, or for a scalar bare. */
export function fromJson(json: unknown, shape: readonly number[], datatype: Datatype, where: string): Tensor {
  const list = Array.isArray(json) ? json : shape.length ? undefined : [json];
  if (!list) throw wrong("expected an array", where);
  const nested = Array.isArray(list[0]) && shape.length > 1;
  const elements: unknown[] = nested ? flatten(list, shape, where) : list;
  if (elements.length !== count(shape)) throw wrong(`${elements.length} elements for ${count(shape)}`, where);
  const data = fill(
    elements.map((element, i) => parse(element, datatype, `${where}[${i}]`)),
    datatype,
    where,
  );
  return { datatype, shape, data } as Tensor;
}

function flatten(list: unknown, shape: readonly number[], where: string): unknown[] {
  if (!Array.isArray(list) || list.length !== shape[0]) throw wrong("nested otherwise than its shape", where);
  return shape.length > 1 ? list.flatMap((inner) => flatten(inner, shape.slice(1), where)) : list;
}

function parse(json: unknown, datatype: Datatype, where: string): Element {
  const { kind, bits } = kindOf(datatype);
  const type = typeof json;
  if (datatype === "BYTES") {
    const b64 = (json as { b64?: unknown } | null)?.b64;
    if (type === "string") return json as string;
    if (typeof b64 === "string") return Uint8Array.from(atob(b64), (character) => character.charCodeAt(0));
  } else if (kind === "b" ? type === "boolean" : type === "number") {
    return json as number;
  } else if (kind === "f" && type === "string" && Object.hasOwn(NOT_FINITE, json as string)) {
    return NOT_FINITE[json as string]!;
  } else if (kind !== "f" && bits === 64 && type === "string" && /^-?\d+$/.test(json as string)) {
    return BigInt(json as string);
  }
  throw wrong(`no ${datatype}`, where);
}

/** Write the list of tensors that a message has. */
export function toJson(tensors: Tensors): string {
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    const { shape, datatype } = tensor;
    return `${JSON.stringify({ name, shape, datatype }).slice(0, -1)},"data":${dataToJson(tensor)}}`;
  });
  return `[${entries.join()}]`;
}

/** Write the elements of a tensor as a flat array. */
export function dataToJson(tensor: Tensor): string {
  const { datatype, data } = tensor;
  if (datatype === "BYTES") return JSON.stringify(data.map(bytesToJson));
  if (datatype === "INT64" || datatype === "UINT64") return JSON.stringify(Array.from(data as DataOf["INT64"], wideToJson));
  const numbers = Array.from(toNumbers(tensor));
  return datatype === "BOOL" ? JSON.stringify(numbers.map(Boolean)) : `[${numbers.map(numberToJson).join()}]`;
}

function numberToJson(value: number): string {
  if (Object.is(value, -0)) return "-0"; // JSON.stringify forgets its sign
  return JSON.stringify(Number.isFinite(value) ? value : String(value));
}

function wideToJson(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function bytesToJson(bytes: Uint8Array): unknown {
  try {
    return strict.decode(bytes);
  } catch {
    return { b64: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
  }
}
