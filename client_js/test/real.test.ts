/** Against the real gateway, with the bundled models, over WebSockets of the package `ws`. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { connect } from "../src/connect.js";
import type { Connection } from "../src/connection.js";
import { DeadlineExceeded, InvalidInput, ResumeFailed, TidegateError, UnknownModel } from "../src/errors.js";
import type { SocketType } from "../src/link.js";
import { tensor } from "../src/tensors.js";
import { PROGRAM, RealGateway, Way } from "./gateway.js";

const SOCKET = { WebSocket: WebSocket as unknown as SocketType };

/** Return chunks of a tone that grows and fades, as a microphone would bring them. */
function chunks(count: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) =>
    Float32Array.from({ length: 512 }, (_, j) => Math.sin((i * 512 + j) / 9) * Math.sin(i / 5)),
  );
}

describe("the real gateway", { skip: PROGRAM ? false : "tidegate is not installed in .venv, and TIDEGATE names none" }, () => {
  let gateway: RealGateway;
  let way: Way;
  let gw: Connection;

  before(async () => {
    gateway = await RealGateway.start();
    way = await Way.to(gateway.url);
    gw = await connect(way.url, SOCKET);
  });

  after(async () => {
    await gw?.close();
    way?.close();
    await gateway?.stop();
  });

  for (const form of ["msgpack", "json", "text"] as const) {
    test(`infers a digit in the form ${form}`, async () => {
      await using mine = await connect(gateway.url, { ...SOCKET, form });
      const { outputs, model, version, timing } = await mine.infer("digits", { image: new Float32Array(64).fill(3) });
      const probs = outputs.probs!;
      assert(probs.datatype === "FP32");
      assert.deepEqual(probs.shape, [1, 10]);
      assert(Math.abs(probs.data.reduce((sum, each) => sum + each, 0) - 1) < 1e-4);
      assert.deepEqual([model, version], ["digits", "1"]);
      assert(timing.batchSize >= 1);
    });
  }

  test("a stream and a generation in text messages give what they give in others", async () => {
    const said = async (form: "msgpack" | "text"): Promise<unknown[]> => {
      await using mine = await connect(gateway.url, { ...SOCKET, form });
      await using stream = await mine.stream("silero_vad", { sr: 16000 });
      const found: unknown[] = [];
      for await (const { outputs } of stream.run(chunks(10))) found.push(Array.from(outputs.output!.data as Float32Array));
      const state = await stream.snapshot();
      await using other = await mine.stream("silero_vad", {}, { snapshot: state });
      found.push((await other.step(new Float32Array(512))).outputs);
      for await (const { text } of mine.generate("chars", { prompt: [20], maxSteps: 5, seed: 1 })) found.push(text);
      return found;
    };
    assert.deepEqual(await said("text"), await said("msgpack"));
  });

  test("many at once are batched, and each has its own answer", async () => {
    const images = Array.from({ length: 200 }, (_, i) => Float32Array.from({ length: 64 }, (_, j) => (i * j) % 17));
    const alone = await gw.infer("digits", { image: images[7]! });
    const all = await Promise.all(images.map((image) => gw.infer("digits", { image })));
    assert.deepEqual(all[7]!.outputs, alone.outputs);
    assert(all.some(({ timing }) => timing.batchSize > 1));
  });

  test("models and ping", async () => {
    const names = (await gw.models()).map(({ name }) => name);
    assert(["chars", "digits", "silero_vad"].every((name) => names.includes(name)));
    assert((await gw.ping()) < 5000);
  });

  test("what the gateway refuses is a typed error with the place at fault", async () => {
    await assert.rejects(gw.infer("nothing", { x: [1] }), UnknownModel);
    await assert.rejects(gw.infer("digits", { image: tensor([1, 2], [1, 2]) }), (error) => {
      assert(error instanceof InvalidInput);
      assert.deepEqual([error.code, error.retryable, error.param], ["invalid_input", false, "inputs[0].shape"]);
      return error.expected !== undefined && error.name === "InvalidInput";
    });
  });

  test("a request can be cancelled, and has a time limit", async () => {
    const image = tensor(new Float32Array(20_000 * 64), [20_000, 8, 8]);
    await assert.rejects(gw.infer("digits", { image }, { signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
    await assert.rejects(gw.infer("digits", { image }, { timeout: 1 }), DeadlineExceeded);
  });

  test("a 4 MiB tensor makes its way there and back", async () => {
    const rows = (4 << 20) / 256;
    const { outputs } = await gw.infer("digits", { image: new Float32Array(rows * 64) });
    assert.deepEqual(outputs.probs!.shape, [rows, 10]);
  });

  test("a stream that is cut again and again gives what it would have given otherwise", async () => {
    const audio = chunks(60);
    const speech = async (cutAt: readonly number[]): Promise<unknown[]> => {
      await using stream = await gw.stream("silero_vad", { sr: 16000 });
      const found: unknown[] = [];
      for await (const { seq, outputs } of stream.run(audio)) {
        found.push([seq, Array.from(outputs.output!.data as Float32Array)]);
        if (cutAt.includes(found.length)) way.cut();
      }
      return found;
    };
    const uncut = await speech([]);
    assert.equal(uncut.length, 60);
    assert.deepEqual(await speech([5, 30, 31]), uncut);
  });

  test("characters are generated, the same with the same seed, and a cut changes nothing", async () => {
    const options = { prompt: [20, 41], maxSteps: 60, temperature: 0.8, seed: 7 };
    const write = async (cutAt: number): Promise<string> => {
      let text = "";
      for await (const result of gw.generate("chars", options)) {
        text += result.text ?? "";
        if (result.seq === cutAt) way.cut();
        if (result.final) assert(["stop", "length"].includes(result.reason!));
      }
      return text;
    };
    const uncut = await write(-1);
    assert(uncut.length > 5);
    assert.equal(await write(4), uncut);
  });

  test("a generation ends when its loop is left or it is cancelled, and the stream goes on from there", async () => {
    await using stream = await gw.stream("chars");
    for await (const result of stream.generate({ prompt: [20], seed: 1, temperature: 0.5 })) if (result.seq === 3) break;
    const reasons: unknown[] = [];
    const loop = (async () => {
      for await (const { reason, seq } of stream.generate({ prompt: [20], seed: 1, temperature: 0.5 })) {
        if (reason) reasons.push(reason);
        if (seq === 6) void stream.cancel();
      }
    })();
    await loop;
    assert.equal(reasons.length, 1);
    assert(["cancelled", "stop", "length"].includes(reasons[0] as string));
  });

  test("what comes as it comes is piped, and each chunk has its result", async () => {
    const audio = chunks(20);
    const source = async function* (): AsyncGenerator<Float32Array> {
      for (const chunk of audio) {
        yield chunk;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await using stream = await gw.stream("silero_vad", { sr: 16000 });
    await using other = await gw.stream("silero_vad", { sr: 16000 });
    const [piped, run]: unknown[][] = [[], []];
    for await (const { outputs } of stream.pipe(source(), { inputName: "input" })) piped!.push(outputs.output!.data);
    for await (const { outputs } of other.run(audio)) run!.push(outputs.output!.data);
    assert.deepEqual(piped, run);
  });

  test("a snapshot and a fork go on alike", async () => {
    await using stream = await gw.stream("silero_vad", { sr: 16000 });
    const [first, second] = chunks(12) as [Float32Array, Float32Array];
    await stream.step(first);
    const state = await stream.snapshot();
    await using fork = await stream.fork();
    await using other = await gw.stream("silero_vad", {}, { snapshot: state });
    const outputs = await Promise.all([stream, fork, other].map(async (each) => (await each.step(second)).outputs));
    assert.deepEqual(outputs[1], outputs[0]);
    assert.deepEqual(outputs[2], outputs[0]);
    await assert.rejects(stream.step(new Float32Array(100)), TidegateError);
  });

  test("types are written of what it serves", async () => {
    const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", cli, "types", gateway.url]);
    assert.match(
      stdout,
      /"digits": \{\n    inputs: \{ readonly "image": Value \};\n    outputs: \{ readonly "probs": Tensor<"FP32"> \};/,
    );
    assert.match(stdout, /constants: \{ readonly "sr"\?: Value \}/);
  });

  test("a gateway that is killed and comes back is found again; requests have waited, and a stream says that it is lost", async () => {
    const first = await RealGateway.start();
    await using mine = await connect(first.url, SOCKET);
    const stream = await mine.stream("silero_vad", { sr: 16000 });
    await stream.step(new Float32Array(512));
    await first.kill();
    const waiting = mine.infer("digits", { image: new Float32Array(64) });
    const lost = assert.rejects(stream.step(new Float32Array(512)), ResumeFailed);
    const second = await RealGateway.start("--port", new URL(first.url).port);
    assert.deepEqual((await waiting).outputs.probs!.shape, [1, 10]);
    await lost;
    await second.stop();
  });
});
