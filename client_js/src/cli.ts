#!/usr/bin/env node
/** The command line: `npx tidegate types URL > models.ts`. */

import type { ModelEntry } from "./messages.js";
import { typesOf } from "./types-of.js";

const USAGE = "usage: tidegate types URL > models.ts\n\nURL is where a gateway is, such as http://127.0.0.1:8000\n";

/** Return the address of the list of models, whatever address of the gateway was given. */
function listOf(url: string): URL {
  if (!/^(http|ws)s?:\/\/./.test(url) || !URL.canParse(url)) throw new TypeError("no address such as http://127.0.0.1:8000");
  return new URL("/models", url.replace(/^ws/, "http"));
}

const [command, url] = process.argv.slice(2);
if (command === "--help" || command === "-h") {
  process.stdout.write(USAGE);
  process.exit();
}
if (command !== "types" || !url) {
  process.stderr.write(USAGE);
  process.exit(2);
}
try {
  const response = await fetch(listOf(url));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const { models } = (await response.json().catch(() => ({}))) as { models?: ModelEntry[] };
  if (!Array.isArray(models)) throw new Error("that is no gateway");
  process.stdout.write(typesOf(models, url));
} catch (error) {
  const { message, cause } = error as Error;
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  process.stderr.write(`tidegate: cannot read the models of ${url}: ${message}${why}\n`);
  process.exit(1);
}
