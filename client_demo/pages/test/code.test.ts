/** Claims about calls as programs: each of them works as it is, run against a real gateway with the bundled models. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { connect, type Connection, type ModelEntry, tensor } from "tidegate";
import { WebSocket } from "ws";
import { PROGRAM, RealGateway } from "../../../client_js/test/gateway.js";
import type { Call } from "../src/playground/call.js";
import { write } from "../src/playground/code.js";
import { type Mode, modes, slots } from "../src/playground/signature.js";
import { count, fill } from "../src/playground/values.js";

const run = promisify(execFile);
const skip = PROGRAM ? false : "needs a gateway: .venv/bin/tidegate, or TIDEGATE";
/** Sends lines as text frames, and prints what comes until the answer. */
const BY_HAND = `
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as ws:
    for line in sys.argv[2].splitlines():
        ws.send(line)
    for message in ws:
        print(message)
        if json.loads(message)["op"] in ("error", "closed") or (json.loads(message)["op"] == "result" and '"infer"' in sys.argv[2]):
            break
`;

let gateway: RealGateway;
let gw: Connection;
let models: readonly ModelEntry[] = [];

before(async () => {
  if (skip) return;
  gateway = await RealGateway.start();
  gw = await connect(gateway.url, { WebSocket });
  models = await gw.models();
});
after(async () => {
  await gw?.close();
  await gateway?.stop();
});

function python(program: string, ...args: string[]): Promise<{ stdout: string }> {
  return run(join(dirname(PROGRAM!), "python"), ["-c", program, ...args], { timeout: 30_000 });
}

/** Fill in a call as the page does. */
function callOf(name: string, mode: Mode): Call {
  const model = models.find((each) => each.name === name)!;
  assert.ok(modes(model).includes(mode));
  const filled = slots(model, mode).map(({ sizes, datatype, first, preset, constant, ...slot }) => {
    const values = preset === undefined ? fill(datatype, count(sizes), first) : [preset];
    return { constant, tensor: { name: slot.name, datatype, shape: sizes, values } };
  });
  const of = (constant: boolean) => filled.flatMap((each) => (each.constant === constant ? [each.tensor] : []));
  return { model: name, version: "1", mode, constants: of(true), inputs: of(false), wishes: { maxSteps: 5, temperature: 0.8 } };
}

async function inTheConsole(program: string): Promise<string> {
  const said: unknown[] = [];
  const body = program.replace('await import("/tidegate.js")', "sdk");
  const sdk = { tensor, connect: () => connect(gateway.url, { WebSocket }) };
  const make = (async () => {}).constructor as new (...args: string[]) => (...given: unknown[]) => Promise<void>;
  await new make("sdk", "console", body)(sdk, { log: (...all: unknown[]) => said.push(...all) });
  return String(said.length);
}

for (const [name, mode] of [
  ["digits", "infer"],
  ["digits", "stream"],
  ["chars", "generate"],
  ["chars", "infer"],
] as const) {
  test(`${name}, ${mode}: the Python program runs`, { skip }, async () => {
    const { stdout } = await python(write(callOf(name, mode), "python", gateway.url));
    assert.match(stdout, mode === "generate" ? /./s : /Timing/);
  });

  test(`${name}, ${mode}: the JavaScript program runs`, { skip }, async () => {
    assert.match(await inTheConsole(write(callOf(name, mode), "javascript", gateway.url)), /[12]/);
  });

  test(`${name}, ${mode}: the messages get an answer`, { skip }, async () => {
    const { stdout } = await python(BY_HAND, gateway.url, write(callOf(name, mode), "json", gateway.url));
    assert.match(stdout, /"op":"result"/);
    assert.doesNotMatch(stdout, /"op":"error"/);
  });
}

test("numbers that JSON cannot write are written as each language has them", () => {
  const input = { name: "x", datatype: "FP32", shape: [3], values: ["NaN", "-Infinity", 1] } as const;
  const wide = { name: "n", datatype: "INT64", shape: [], values: ["9007199254740993"] } as const;
  const flags = { name: "b", datatype: "BOOL", shape: [2], values: [true, false] } as const;
  const wishes = { maxSteps: 1, temperature: 0 };
  const call: Call = { model: "m", version: "1", mode: "infer", constants: [], inputs: [input, wide, flags], wishes };
  const program = write(call, "python", "ws://h/v1");
  assert.match(program, /float\("NaN"\), float\("-Infinity"\), 1\], dtype=np\.float32/);
  assert.match(program, /np\.array\(9007199254740993, dtype=np\.int64\)/);
  assert.match(program, /\[True, False\], dtype=np\.bool/);
  assert.match(write(call, "javascript", ""), /\[NaN, -Infinity, 1\].*\n.*\[9007199254740993n\]/);
  assert.deepEqual(JSON.parse(write(call, "json", "")).inputs[1].data, ["9007199254740993"]);
});
