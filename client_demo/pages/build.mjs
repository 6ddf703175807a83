/**
 * Builds the pages into `gateway/pages`, if they are older than what they are made of: `node build.mjs`.
 *
 * It installs the packages of the lock file when that has changed. `--force` builds in any case.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const built = join(root, "gateway", "pages", "index.html");
const installed = join(here, "node_modules", ".package-lock.json");

/** When something below a path was changed last; a folder changes when a file comes or goes. */
function changed(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const inside = readdirSync(path).filter((name) => name !== "node_modules" && name !== "test");
  return Math.max(stat.mtimeMs, ...inside.map((name) => changed(join(path, name))));
}

/** The folder of the pages itself changes with `node_modules`, so only what is in it counts. */
const sources = readdirSync(here).filter((name) => name !== "node_modules" && name !== "test");
const newest = Math.max(...[...sources.map((name) => join(here, name)), join(root, "client_js", "src")].map(changed));

/** Install what the lock file says, if that is not there yet. */
function install() {
  if (existsSync(installed) && changed(installed) >= changed(join(here, "package-lock.json"))) return;
  execFileSync("npm", ["ci", "--loglevel=error", "--no-fund", "--no-audit"], { cwd: here, stdio: "inherit" });
}

if (process.argv.includes("--force") || !existsSync(built) || changed(built) < newest) {
  console.log("Building the pages …");
  try {
    install();
    const { build } = await import("vite");
    await build({ configFile: join(here, "vite.config.ts"), logLevel: "warn" });
  } catch (error) {
    console.error(`The pages could not be built: ${error.message}`);
    process.exitCode = 1;
  }
}
