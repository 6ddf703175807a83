/** What a page has to load, as a bundler makes it of `import { connect } from "tidegate"`, gzipped. */

import { build, type Metafile } from "esbuild";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { before, test } from "node:test";

const KIB = 1024;
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const sizes = new Map<string, number>();
let metafile: Metafile;

before(async () => {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: ["src/index.ts"],
    outdir: "out",
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    metafile: true,
  });
  metafile = result.metafile;
  for (const { path, contents } of result.outputFiles)
    sizes.set(path.slice(ROOT.length), gzipSync(contents, { level: 9 }).length);
});

/** Return the size of an output with all that it imports at once. */
function loaded(path: string, seen = new Set<string>()): number {
  if (seen.has(path)) return 0;
  seen.add(path);
  const imports = metafile.outputs[path]!.imports.filter(({ kind }) => kind === "import-statement");
  return imports.reduce((size, each) => size + loaded(each.path, seen), sizes.get(path)!);
}

test("a page that has no stream loads at most 12 KiB", (t) => {
  const size = loaded("out/index.js");
  t.diagnostic(`${size} bytes`);
  assert(size <= 12 * KIB, `${size} bytes`);
});

for (const [name, most] of [
  ["streams", 6.5],
  ["topics", 2],
  ["text", 1],
] as const) {
  test(`${name} come with another ${most} KiB at most, when they are needed`, (t) => {
    const seen = new Set<string>();
    loaded("out/index.js", seen);
    const path = [...sizes.keys()].find((each) => each.startsWith(`out/${name}-`))!;
    const size = loaded(path, seen);
    t.diagnostic(`${size} bytes`);
    assert(0 < size && size <= most * KIB, `${size} bytes`);
  });
}

test("the package needs no other one, and the lock file no address of its own", () => {
  const read = (name: string): Record<string, unknown> =>
    JSON.parse(readFileSync(`${ROOT}/${name}`, "utf8")) as Record<string, unknown>;
  assert.equal(read("package.json").dependencies, undefined);
  assert.doesNotMatch(readFileSync(`${ROOT}/package-lock.json`, "utf8"), /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/);
});
