/** What all pages have around their content: head, header and footer, put into each HTML file when it is built. */

import { basename } from "node:path";
import type { Plugin } from "vite";

interface PageEntry {
  readonly file: string;
  readonly path: string;
  readonly name: string;
  readonly title: string;
}

export const PAGES: readonly PageEntry[] = [
  { file: "index.html", path: "/", name: "Start", title: "Tidegate" },
  { file: "dashboard.html", path: "/dashboard", name: "Dashboard", title: "Dashboard · Tidegate" },
  { file: "playground.html", path: "/playground", name: "Playground", title: "Playground · Tidegate" },
  { file: "microphone.html", path: "/microphone", name: "Microphone", title: "Microphone · Tidegate" },
  { file: "digit.html", path: "/digit", name: "Digit", title: "Draw a digit · Tidegate" },
  { file: "text.html", path: "/text", name: "Text", title: "Text · Tidegate" },
];

/** Make the plugin: a page's file holds what is in its `<main>`, and the scripts that it loads. */
export function shell(): Plugin {
  return {
    name: "shell",
    transformIndexHtml: {
      order: "pre",
      handler(content, { path }) {
        const page = PAGES.find(({ file }) => file === basename(path));
        if (!page) throw new Error(`${path} is not in the list of pages`);
        return around(page, content);
      },
    },
  };
}

function around(page: PageEntry, content: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>${page.title}</title>
    <link rel="icon" type="image/svg+xml" href="/icon.svg" />
    ${["colours", "base", "controls", "header"].map((name) => `<link rel="stylesheet" href="/src/shell/${name}.css" />`).join("")}
    <script src="/theme.js"></script>
  </head>
  <body>
    <a class="skip" href="#content">To the content</a>
    <header class="top">
      <a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28" />Tidegate</a>
      <nav aria-label="Pages">
        <ul>${PAGES.map((each) => link(each, each === page)).join("")}</ul>
      </nav>
      <p class="connection" id="connection" role="status" data-status="connecting">connecting</p>
      <button class="theme" id="theme" type="button" aria-label="Change between light and dark">
        <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
          <circle cx="12" cy="12" r="8" fill="none" stroke="currentColor" stroke-width="2" />
          <path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />
        </svg>
      </button>
    </header>
    <p class="notice" id="notice" role="status" hidden></p>
    <main id="content">
${content}
    </main>
    <noscript><p class="notice">These pages need JavaScript. Without it: <a href="/models">/models</a>, <a href="/metrics">/metrics</a>.</p></noscript>
  </body>
</html>
`;
}

function link({ path, name }: PageEntry, isCurrent: boolean): string {
  return `<li><a href="${path}"${isCurrent ? ' aria-current="page"' : ""}>${name}</a></li>`;
}
