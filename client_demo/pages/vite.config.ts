/** How the pages are built: one HTML file for each page, assets named by their content, the SDK from its sources. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { PAGES, shell } from "./shell.js";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const SDK = here("../../client_js/src/index.ts");

export default defineConfig({
  root: here("."),
  resolve: {
    alias: [
      { find: /^tidegate$/, replacement: SDK },
      { find: /^tidegate\/(.*)$/, replacement: here("../../client_js/src/$1/index.ts") },
    ],
  },
  plugins: [shell()],
  build: {
    target: ["chrome123", "edge123", "firefox120", "safari17.5"], // the first with light-dark()
    outDir: here("../../gateway/pages"),
    emptyOutDir: true,
    assetsInlineLimit: 0, // the pages' security policy takes scripts from this host only, none from data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: [...PAGES.map(({ file }) => here(file)), SDK],
      // The SDK as a module of its own, for what people paste into the console; its name stays, so it is not kept for good.
      preserveEntrySignatures: "exports-only",
      output: {
        entryFileNames: ({ facadeModuleId }) => (facadeModuleId === SDK ? "tidegate.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
