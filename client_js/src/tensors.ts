/** Tensors: what a program gives and gets, and the same as bytes. It knows neither messages nor what a model takes. */

import { type DataOf, type Datatype, holderOf, type NumericArray } from "./datatypes.js";
import { InvalidInput, TidegateError, TooLarge } from "./errors.js";
import { fromBf16, fromFp16 } from "./halves.js";

/** A tensor that came: its data are a view on the message where the datatype allows it, and the program's own. */
export type Tensor<D extends Datatype = Datatype> = D extends Datatype
  ? { readonly datatype: D; readonly shape: readonly number[]; readonly data: DataOf[D] }
  : never;

export type Element = number | bigint | boolean | string | Uint8Array;

/** Elements as a program gives them; for a tensor of byte strings, strings stand for their UTF-8. */
export type Elements = NumericArray | readonly Element[];

/** A tensor to be sent; without `datatype` it takes that of the model, or that of its array. */
export interface GivenTensor {
  readonly data: Elements;
  readonly shape: readonly number[];
  readonly datatype?: Datatype;
}

/** Say which shape some elements have, and, where the model's is not meant, which datatype. */
export function tensor(data: Elements, shape: readonly number[], datatype?: Datatype): GivenTensor {
  return datatype ? { data, shape, datatype } : { data, shape };
}

/** Return the elements as numbers: also those of FP16 and BF16; 64-bit integers beyond 2^53 are rounded. */
export function toNumbers(tensor: Tensor): ArrayLike<number> {
  const { datatype, data } = tensor;
  if (datatype === "BYTES") throw new InvalidInput("byte strings are no numbers");
  if (datatype === "FP16") return Float32Array.from(data, fromFp16);
  if (datatype === "BF16") return Float32Array.from(data, fromBf16);
  return datatype.endsWith("64") && datatype !== "FP64"
    ? Float64Array.from(data as BigInt64Array, Number)
    : (data as Float32Array);
}

/** Return the elements of a tensor of byte strings as strings. */
export function toStrings(tensor: Tensor): string[] {
  if (tensor.datatype !== "BYTES") throw new InvalidInput(`${tensor.datatype} is no BYTES`);
  return tensor.data.map((bytes) => utf8.decode(bytes));
}

export const MAX_RANK = 8;
export const MAX_DIMENSION = 2 ** 31 - 1;
const MAX_STRINGS = 65536;
const utf8 = new TextDecoder();
const toUtf8 = new TextEncoder();

/** Return how many elements there are. */
export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Return the bytes of a tensor as they are sent, without padding: a view, except for byte strings. */
export function toBytes(tensor: Tensor): Uint8Array {
  if (tensor.datatype === "BYTES") return joinStrings(tensor.data);
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export function utf8Bytes(text: string): Uint8Array {
  return toUtf8.encode(text);
}

/** Make a tensor of bytes in a message: a view on them, except for byte strings. `at` is a multiple of 8. */
export function fromBytes(
  buffer: ArrayBuffer,
  at: number,
  nbytes: number,
  shape: readonly number[],
  datatype: Datatype,
  where: string,
): Tensor {
  const elements = count(shape);
  if (datatype === "BYTES") return { datatype, shape, data: splitStrings(new Uint8Array(buffer, at, nbytes), elements, where) };
  const data = new (holderOf(datatype)!)(buffer, at, elements);
  if (datatype === "BOOL" && (data as Uint8Array).some((byte) => byte > 1)) throw wrong("a BOOL is 0 or 1", where);
  return { datatype, shape, data } as Tensor;
}

function joinStrings(elements: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(elements.reduce((sum, element) => sum + 4 + element.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    bytes.set(element, at + 4);
    at += 4 + element.length;
  }
  return bytes;
}

function splitStrings(bytes: Uint8Array, elements: number, where: string): Uint8Array[] {
  if (elements > MAX_STRINGS) throw new TooLarge(`${elements} byte strings`, { param: `${where}.shape` });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < elements; i++) {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at, true) : Infinity;
    if (end > bytes.length) throw wrong("its elements do not fill it", where);
    found.push(bytes.subarray(at + 4, end));
    at = end;
  }
  if (at < bytes.length) throw wrong("its elements do not fill it", where);
  return found;
}

/** Make the error of something in a tensor that is not as it should be. */
export function wrong(message: string, param: string): TidegateError {
  return new InvalidInput(`${param}: ${message}`, { param });
}
