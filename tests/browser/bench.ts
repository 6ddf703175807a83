/** Measures what a page gets, and prints a table: `npm run bench`. It needs a quiet machine to mean anything. */

import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { askSteadily, echoLarge, type Times } from "./asking.js";
import { Stage } from "./stage.js";

/** An ONNX model, y = x, whose rows are 4 MiB of FP32. */
const ECHO =
  "CAg6UAoQCgF4EgF5IghJZGVudGl0eRIEZWNob1oaCgF4EhUKEwgBEg8KBxIFYmF0Y2gKBAiAgEBiGgoBeRIVChMIARIPCgcSBWJhdGNoCgQIgIBAQgQKABAR";
const DIGITS = fileURLToPath(new URL("../../models/bundled/digits", import.meta.url));
const STEADY = { perSecond: 200, seconds: 30 };
const LARGE = { bytes: 4 << 20, times: 30 };
const TARGET_MS = 50;

const folder = mkdtempSync(join(tmpdir(), "tidegate-"));
writeFileSync(join(folder, "echo.onnx"), Buffer.from(ECHO, "base64"));
cpSync(DIGITS, join(folder, "digits"), { recursive: true });
const stage = await Stage.set([folder]);
try {
  await stage.visit("/", async (page) => {
    const steady = await page.evaluate(askSteadily, STEADY);
    const large = await page.evaluate(echoLarge, LARGE);
    console.log("| from a page in headless Chromium | p50 ms | p99 ms | longest ms | requests | target | met |");
    console.log("|---|---:|---:|---:|---:|---:|---:|");
    row(`digits, ${STEADY.perSecond} a second`, steady, `p99 < ${TARGET_MS} ms`, steady.p99 < TARGET_MS);
    row(`${LARGE.bytes >> 20} MiB there and ${LARGE.bytes >> 20} MiB back, one at a time`, large, "all the same bytes", true);
  });
} finally {
  await stage.close();
  rmSync(folder, { recursive: true });
}

function row(what: string, { p50, p99, most, count }: Times, target: string, isMet: boolean): void {
  const numbers = [p50, p99, most].map((value) => value.toFixed(1));
  console.log(`| ${[what, ...numbers, count, target, isMet ? "yes" : "NO"].join(" | ")} |`);
}
