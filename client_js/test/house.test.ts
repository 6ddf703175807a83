/** The house stands as it was drawn: what each file says of itself, how long it is, and what it may know. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LONGEST = 400;

function files(folder: string): { name: string; text: string }[] {
  const names = readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return names.map((name) => ({ name: `${folder}/${name}`, text: readFileSync(`${ROOT}/${folder}/${name}`, "utf8") }));
}

test("each file says at its top what it is, and is not long", () => {
  for (const { name, text } of [...files("src"), ...files("test")]) {
    assert.match(text, /^(#!.*\n)?\/\*\*/, name);
    assert(text.split("\n").length <= LONGEST, name);
  }
});

test("the client imports its own files only: it runs in a browser", () => {
  for (const { name, text } of files("src")) {
    for (const [, from] of text.matchAll(/(?:from|import\() ?"([^"]+)"/g)) assert.match(from!, /^\.|^tidegate$/, name);
  }
});

test("streams know the core, and the core only their types and when to load them", () => {
  for (const { name, text } of files("src").filter((file) => !file.name.includes("streams/"))) {
    const imports = [...text.matchAll(/^(?:import|export) (?!type\b)[^;]*"[^"]*\/streams\/[^"]*"/gm)].map(([found]) => found);
    assert.deepEqual(imports, [], name);
  }
});
