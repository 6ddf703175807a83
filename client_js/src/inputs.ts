/** From what a program passes to tensors, with shape and datatype from the model's signature. It sends nothing. */

import type { InputFacts } from "./catalogue.js";
import type { Tensors } from "./codec.js";
import { type Datatype, kindOf, naturalDatatype, type NumericArray } from "./datatypes.js";
import { convert, fill } from "./elements.js";
import { count, type Element, type Elements, type GivenTensor, type Tensor, wrong } from "./tensors.js";

/** Arrays in arrays, whose shape is their nesting. */
export type Nested = Element | readonly Nested[];

/** What may be given for a tensor: one with its shape, or an array or a single element that takes the model's. */
export type Value = GivenTensor | Tensor | NumericArray | Nested;

type Facts = ReadonlyMap<string, InputFacts>;

/** Make the tensors of an inference, or the constants of a stream. Raises InvalidInput. */
export function asTensors(values: Readonly<Record<string, Value>>, facts: Facts): Tensors {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asTensor(name, value, facts.get(name))]));
}

/** Make the tensors that a step brings: `chunk` has them by name, or is the one that the model's steps take. */
export function asStep(chunk: Value | Readonly<Record<string, Value>>, takes: Facts, all: Facts): Tensors {
  let given = chunk as Readonly<Record<string, Value>>;
  if (isValue(chunk)) {
    const [name] = takes.keys();
    if (name === undefined || takes.size > 1) throw wrong(`a step brings ${[...takes.keys()]}`, "inputs");
    given = { [name]: chunk };
  }
  return asTensors(given, new Map([...all, ...takes]));
}

/** Make the token ids that a generation begins with. */
export function asPrompt(prompt: Value): Tensors {
  return asTensors({ prompt }, new Map([["prompt", { datatypes: ["INT64"] }]]));
}

function isTensor(value: object): value is GivenTensor {
  return !!value && "data" in value && "shape" in value && typeof (value.shape as number[]).map === "function";
}

function isValue(value: object | Value): value is Value {
  return typeof value !== "object" || Array.isArray(value) || ArrayBuffer.isView(value) || isTensor(value);
}

function asTensor(name: string, value: Value, facts: InputFacts | undefined): Tensor {
  const where = `inputs.${name}`;
  const given = typeof value === "object" && isTensor(value) ? value : undefined;
  const [data, nesting] = given ? [given.data] : elementsOf(value as NumericArray | Nested, where);
  const datatype = given?.datatype ?? chosen(data, facts?.datatypes ?? []);
  const natural = isTyped(data) ? naturalDatatype(data) : undefined;
  const converted = natural ? convert(data as NumericArray, natural, datatype, where) : fill(data, datatype, where);
  if (!converted && given?.datatype) throw wrong(`${natural} is not converted to ${datatype}`, where);
  const shape = given?.shape ?? nesting ?? fitted(data.length, isBare(value), facts, where);
  if (count(shape) !== data.length) throw wrong(`${data.length} elements for [${shape}]`, where);
  return { datatype: converted ? datatype : natural, shape, data: converted ?? data } as Tensor;
}

function isTyped(data: Elements): data is NumericArray {
  return ArrayBuffer.isView(data);
}

function isBare(value: Value): boolean {
  return typeof value !== "object";
}

/** Return the elements of a value, in order, and its shape if it is said by its nesting. */
function elementsOf(value: NumericArray | Nested, where: string): [Elements, number[]?] {
  if (ArrayBuffer.isView(value)) return [value];
  if (!Array.isArray(value)) return [[value as Element]];
  if (!Array.isArray(value[0])) return [value as Element[]];
  const shape: number[] = [];
  for (let level: unknown = value; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat = value.flat(Infinity as 1) as unknown as Element[];
  if (count(shape) !== flat.length) throw wrong("arrays of uneven length", where);
  return [flat, shape];
}

/** Choose the datatype: the model's, unless it takes several and whole numbers are one of them; else the array's own. */
function chosen(data: Elements, datatypes: readonly Datatype[]): Datatype {
  const [first] = datatypes;
  if (isTyped(data)) {
    const own = naturalDatatype(data);
    return !first || (datatypes.length > 1 && kindOf(own).kind !== "f") ? own : first;
  }
  if (first) return first;
  const element = data[0];
  if (typeof element === "boolean") return "BOOL";
  if (typeof element === "bigint") return "INT64";
  return typeof element === "string" || element instanceof Uint8Array ? "BYTES" : "FP32";
}

/** Return the shape that the model wants with so many elements in it. */
function fitted(elements: number, bare: boolean, facts: InputFacts | undefined, where: string): readonly number[] {
  const wanted = facts?.shape;
  if (!wanted) return bare ? [] : [elements];
  const free = wanted.flatMap((size, axis) => (size < 0 ? [axis] : []));
  // Rows of several requests are put together along the batch axis: of one, there is one.
  const open = free.length > 1 ? free.filter((axis) => axis !== facts.batchAxis) : free;
  const known = count(wanted.filter((size) => size >= 0));
  const size = elements === known ? 1 : elements / known;
  if (!Number.isInteger(size) || (size !== 1 && open.length !== 1)) {
    throw wrong(`${elements} elements for [${wanted}]: say which shape`, where);
  }
  return wanted.map((each, axis) => (each >= 0 ? each : axis === open[0] ? size : 1));
}
