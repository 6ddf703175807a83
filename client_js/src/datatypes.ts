/** The datatypes of the protocol, and what holds their elements in JavaScript. It knows neither shapes nor messages. */

/** Any of the arrays that hold tensors. */
export type NumericArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** What holds the elements of each datatype. FP16 and BF16 are the bits of each number: see `toNumbers`. */
export interface DataOf {
  BOOL: Uint8Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  FP16: Uint16Array;
  BF16: Uint16Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: readonly Uint8Array[];
}

export type Datatype = keyof DataOf;

interface ArrayType {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): NumericArray;
  new (buffer: ArrayBufferLike, offset: number, length: number): NumericArray;
}

const HOLDERS: Record<string, ArrayType> = {
  BOOL: Uint8Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
};

/** Return the array type of a datatype; undefined for BYTES and for what is no datatype. */
export function holderOf(datatype: string): ArrayType | undefined {
  return Object.hasOwn(HOLDERS, datatype) ? HOLDERS[datatype] : undefined;
}

export function isDatatype(value: unknown): value is Datatype {
  return value === "BYTES" || (typeof value === "string" && Object.hasOwn(HOLDERS, value));
}

/** Return the datatype that an array has if nobody says otherwise. */
export function naturalDatatype(data: NumericArray): Datatype {
  const name = Object.prototype.toString.call(data).slice(8, -6); // "Float32", "BigInt64", …
  return name.replace(/^Big/, "").replace("Float", "FP").toUpperCase() as Datatype;
}

/** How a datatype counts: `b`ool, `i`nteger, `u`nsigned, `f`loat; and its width. */
export function kindOf(datatype: Datatype): { readonly kind: string; readonly bits: number } {
  const kind = datatype === "BOOL" ? "b" : datatype.startsWith("U") ? "u" : datatype.startsWith("I") ? "i" : "f";
  return { kind, bits: 8 * (holderOf(datatype)?.BYTES_PER_ELEMENT ?? 0) };
}
