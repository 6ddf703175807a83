/** The page in the README is short, and works with the bundle that it loads. */

import { build } from "esbuild";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { WebSocket } from "ws";
import type { connect } from "../src/connect.js";
import type { SocketType } from "../src/link.js";
import { PROGRAM, RealGateway } from "./gateway.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = /```html\n([^]*?)```/.exec(readFileSync(join(ROOT, "README.md"), "utf8"))![1]!;

interface Element {
  textContent: string;
  onclick?: () => Promise<void>;
}

test("the page has 25 lines", () => {
  assert(PAGE.trimEnd().split("\n").length <= 25);
});

test("the page infers and generates", { skip: PROGRAM ? false : "no gateway is installed" }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-page-"));
  const gateway = await RealGateway.start();
  let gw: Awaited<ReturnType<typeof connect>> | undefined;
  try {
    await build({
      absWorkingDir: ROOT,
      entryPoints: ["src/index.ts"],
      outdir: folder,
      bundle: true,
      splitting: true,
      minify: true,
      format: "esm",
      target: "es2022",
      outExtension: { ".js": ".mjs" },
    });
    const bundle = (await import(pathToFileURL(join(folder, "index.mjs")).href)) as { connect: typeof connect };
    const elements: Record<string, Element> = {
      state: { textContent: "" },
      go: { textContent: "" },
      text: { textContent: "" },
    };
    const script = /<script type="module">\n\s*import .*\n([^]*)<\/script>/.exec(PAGE)![1]!;
    const run = new Function("document", "connect", `return (async () => {${script}})()`) as (
      document: object,
      connectTo: typeof connect,
    ) => Promise<void>;
    const toHere = (async (_, options) =>
      (gw = await bundle.connect(gateway.url, {
        ...options,
        WebSocket: WebSocket as unknown as SocketType,
      }))) as typeof connect;
    await run({ getElementById: (id: string) => elements[id] }, toHere);
    assert.equal(elements.state!.textContent, "open");
    assert.match(elements.text!.textContent, /^([\d.e-]+,){9}[\d.e-]+ in \d+ µs\n$/);
    await elements.go!.onclick!();
    assert(elements.text!.textContent.split("µs\n")[1]!.length > 3);
  } finally {
    await gw?.close();
    await gateway.stop();
    rmSync(folder, { recursive: true });
  }
});
