/** The types that are written of a gateway's models, and what the compiler makes of them. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Connection } from "../src/connection.js";
import type { Value } from "../src/inputs.js";
import type { Tensor } from "../src/tensors.js";
import { typesOf } from "../src/types-of.js";

const WRITTEN = `// Written by: npx tidegate types http://here
import type { Tensor, Value } from "tidegate";

export interface Models {
  "vad": {
    inputs: { readonly "input": Value; readonly "sr": Value };
    outputs: { readonly "output": Tensor<"FP32"> };
    constants: { readonly "sr"?: Value };
    step: { readonly "input": Value };
    results: { readonly "output": Tensor<"FP32"> };
  };
}
`;

/** The same, for the compiler. */
interface Models {
  vad: {
    inputs: { readonly input: Value; readonly sr: Value };
    outputs: { readonly output: Tensor<"FP32"> };
    constants: { readonly sr?: Value };
    step: { readonly input: Value };
    results: { readonly output: Tensor<"FP32"> };
  };
}

test("types are written of the models that serve", () => {
  const spec = (name: string, datatype: "FP32" | "INT64"): { name: string; datatype: "FP32" | "INT64"; shape: number[] } => ({
    name,
    datatype,
    shape: [],
  });
  const models = [
    { name: "broken", state: "failed" as const },
    {
      name: "vad",
      version: "1",
      state: "ready" as const,
      inputs: [spec("input", "FP32"), spec("sr", "INT64")],
      outputs: [spec("output", "FP32")],
      stream: { inputs: [spec("input", "FP32")], outputs: ["output"], constants: [{ name: "sr", default: 16000 }] },
    },
  ];
  assert.equal(typesOf(models, "http://here"), WRITTEN);
});

test("the program says what is wrong with an address", async () => {
  const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
  const run = (url: string) => promisify(execFile)(process.execPath, ["--import", "tsx", cli, "types", url]);
  const other = createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  for (const url of ["localhost:8000", "127.0.0.1:8000", "models", "http://", "ftp://here"]) {
    await assert.rejects(run(url), { code: 1, stderr: /^tidegate: .*: no address such as http:\/\/127\.0\.0\.1:8000\n$/ });
  }
  await assert.rejects(run(`http://127.0.0.1:${port}`), { code: 1, stderr: /: that is no gateway\n$/ });
  other.close();
  await assert.rejects(run(`http://127.0.0.1:${port}`), { code: 1, stderr: /: connect ECONNREFUSED 127/ });
});

/** Never run: the compiler checks it. */
export async function checked(gw: Connection<Models>, anything: Connection): Promise<void> {
  const { outputs } = await gw.infer("vad", { input: [1], sr: 16000 });
  outputs.output.data satisfies Float32Array;
  // @ts-expect-error there is no such model
  await gw.infer("digits", {});
  // @ts-expect-error there is no such input
  await gw.infer("vad", { input: [1], sr: 16000, state: [1] });
  // @ts-expect-error an input is missing
  await gw.infer("vad", { input: [1] });
  // @ts-expect-error there is no such output
  void outputs.probs;
  await using stream = await gw.stream("vad", { sr: 8000 });
  (await stream.step({ input: [1] })).outputs.output.data satisfies Float32Array;
  for await (const result of stream.run([[1], [2]])) result.outputs.output.shape satisfies readonly number[];
  const any = await anything.infer("whatever", { x: 1 });
  // @ts-expect-error perhaps there is no such output
  void any.outputs.y.shape;
}
