#!/usr/bin/env node
/** The command line: `npx tidegate types URL > models.d.ts`. */

import type { ModelEntry } from "./messages.js";
import { typesOf } from "./types-of.js";

const USAGE = "usage: tidegate types URL > models.d.ts\n\nURL is where a gateway is, such as http://127.0.0.1:8000\n";

/** Return the address of the list of models, whatever address of the gateway was given. */
function listOf(url: string): URL {
  const full = new URL("/models", url.replace(/^ws/, "http"));
  if (!/^https?:$/.test(full.protocol)) throw new TypeError(`${url} is not the address of a gateway`);
  return full;
}

const [command, url] = process.argv.slice(2);
if (command !== "types" || !url) {
  process.stderr.write(USAGE);
  process.exit(2);
}
try {
  const response = await fetch(listOf(url));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const { models } = (await response.json()) as { models: ModelEntry[] };
  process.stdout.write(typesOf(models, url));
} catch (error) {
  const cause = error instanceof Error && error.cause ? `: ${String(error.cause)}` : "";
  process.stderr.write(`tidegate: cannot read the models of ${url}: ${String(error)}${cause}\n`);
  process.exit(1);
}
