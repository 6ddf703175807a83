/** What the package offers beside its first module: each entry has its source, and the audio works as files of their own. */

import { build } from "esbuild";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface Package {
  readonly exports: Record<string, string | Record<string, string>>;
  readonly bin: Record<string, string>;
  readonly sideEffects: readonly string[];
  readonly files: readonly string[];
}

const PACKAGE = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as Package;

function bundled(...entryPoints: string[]): Promise<{ outputFiles: { path: string; text: string }[] }> {
  const common = { absWorkingDir: ROOT, outdir: "out", bundle: true, minify: true, format: "esm", write: false } as const;
  return build({ ...common, entryPoints, external: ["../index.js"] });
}

test("each file that package.json names is made of a source that is there", () => {
  const named = [PACKAGE.exports, PACKAGE.bin, PACKAGE.sideEffects].flatMap((each) =>
    JSON.stringify(each).match(/\.?\/?dist[^"]+/g)!,
  );
  assert(named.length >= 8);
  for (const file of named) {
    assert(existsSync(file.replace(/^(\.\/)?dist/, `${ROOT}src`).replace(/(\.d)?\.[jt]s$/, ".ts")), file);
  }
  assert.deepEqual(PACKAGE.files, ["dist", "README.md"]);
});

test("the audio is small, has its errors from the core, and finds its worklet as a file", async (t) => {
  const [index, worklet] = (await bundled("src/audio/index.ts", "src/audio/worklet.ts")).outputFiles;
  const size = gzipSync(index!.text, { level: 9 }).length;
  t.diagnostic(`${size} bytes`);
  assert(size <= 3 * 1024);
  assert.match(index!.text, /from"\.\.\/index\.js"/);
  assert.match(index!.text, /new URL\("\.\/worklet\.js\?no-inline",import\.meta\.url\)/);
  assert.doesNotMatch(worklet!.text, /\bimport\b/);
});
