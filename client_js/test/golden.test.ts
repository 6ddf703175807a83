/** The golden vectors that the Python side reads, too: every valid one has its meaning here, and invalid ones are refused. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Data, openUp, Payload, read, type Tensors, tensorsOf, Unreadable, write } from "../src/codec.js";
import type { Datatype } from "../src/datatypes.js";
import * as text from "../src/json-data.js";
import { type ClientMessage, CORE, type Form, TENSORS } from "../src/messages.js";
import { CHECKS as STREAMS } from "../src/streams/checks.js";
import { toBytes } from "../src/tensors.js";
import { CHECKS as TOPICS } from "../src/topics/events.js";

interface GoldenTensor {
  readonly name: string;
  readonly shape: number[];
  readonly datatype: Datatype;
  readonly bytes: string;
  readonly data: unknown[];
}

interface Vector {
  readonly file: string;
  readonly frame: "text" | "binary";
  readonly form: Form;
  readonly from: "client" | "server";
  readonly message: Record<string, unknown> | null;
  readonly tensors: GoldenTensor[];
  readonly code: string;
  readonly param: string | null;
  readonly id: unknown;
  readonly stream?: unknown;
  readonly step?: number;
}

const GOLDEN = new URL("../../tests/codecs/golden/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL("manifest.json", GOLDEN), "utf8")) as { valid: Vector[]; invalid: Vector[] };

const CHECKS = { ...CORE, ...STREAMS, ...TOPICS };
const { fromJson, dataToJson } = text;

function load(vector: Vector): Data {
  const bytes = readFileSync(new URL(vector.file, GOLDEN));
  return vector.frame === "text"
    ? bytes.toString()
    : (bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer);
}

/** Return the fields of a message that the manifest has: what it does not have is unknown, or says what its absence would. */
function meaning(map: Record<string, unknown>, like: Record<string, unknown>): Record<string, unknown> {
  const known = Object.entries(map).filter(([name]) => name in like);
  return Object.fromEntries(known.map(([name, value]) => [name, name === "streams" ? each(value, like[name]) : value]));
}

function each(list: unknown, like: unknown): unknown {
  return (list as Record<string, unknown>[]).map((entry, i) => meaning(entry, (like as Record<string, unknown>[])[i]!));
}

function checkTensors(found: Tensors, expected: readonly GoldenTensor[]): void {
  // In order, except that objects have names that are numbers first.
  assert.deepEqual(Object.keys(found).sort(), expected.map(({ name }) => name).sort());
  for (const { name, shape, datatype, bytes, data } of expected) {
    const tensor = found[name]!;
    assert.equal(tensor.datatype, datatype);
    assert.deepEqual(tensor.shape, shape);
    for (const same of [
      tensor,
      fromJson(data, shape, datatype, name),
      fromJson(JSON.parse(dataToJson(tensor)), shape, datatype, name),
    ]) {
      assert.equal(Buffer.from(toBytes(same)).toString("hex"), bytes, name);
    }
  }
}

for (const vector of manifest.valid) {
  test(`${vector.file} is read as the manifest says`, () => {
    const data = load(vector);
    const { form, header, cutter } = openUp(data);
    if (vector.from === "server") {
      const received = read(data, CHECKS, text);
      if (!vector.message) return assert.equal(received.message, undefined);
      assert.equal(received.form, vector.form);
      assert.deepEqual(meaning({ ...received.message }, vector.message), vector.message);
      return checkTensors(received.tensors, vector.tensors);
    }
    assert.equal(form, vector.form);
    assert.deepEqual(meaning(header, vector.message!), vector.message);
    return checkTensors(tensorsOf(header, cutter, data, text), vector.tensors);
  });
}

for (const vector of manifest.valid.filter(({ from }) => from === "client")) {
  test(`what is written for ${vector.file} means the same in all forms`, () => {
    const data = load(vector);
    const tensors = tensorsOf(openUp(data).header, openUp(data).cutter, data, text);
    for (const form of ["msgpack", "json", "text"] as const) {
      const message = vector.message as unknown as ClientMessage;
      const payload = (): Payload => new Payload(tensors, form, form === "text" ? text : undefined);
      const written = TENSORS[message.op] ? payload().write(message) : write(message, form);
      const opened = openUp(written);
      assert.equal(opened.form, form);
      const { [TENSORS[message.op] ?? ""]: _, ...map } = opened.header;
      assert.deepEqual(map, message);
      checkTensors(tensorsOf(opened.header, opened.cutter, written, text), vector.tensors);
    }
  });
}

for (const vector of manifest.invalid.filter(({ from }) => from === "server")) {
  test(`${vector.file} is refused`, () => {
    assert.throws(
      () => read(load(vector), CHECKS, text),
      (error) => {
        assert(error instanceof Unreadable);
        assert.equal(error.error.code, vector.code);
        assert.equal(error.error.param ?? null, vector.param);
        assert.deepEqual([error.id ?? null, error.stream, error.step], [vector.id, vector.stream, vector.step]);
        return true;
      },
    );
  });
}
