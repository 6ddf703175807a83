/** The page without a library, `docs/plain.html`: its script is run here, with a document that is played. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { WebSocket } from "ws";
import { PROGRAM, RealGateway } from "./gateway.js";

const PAGE = readFileSync(new URL("../../docs/plain.html", import.meta.url), "utf8");
const SCRIPT = /<script>\n([^]*)<\/script>/.exec(PAGE)![1]!;

class Element {
  textContent = "";
  disabled = true;
  onclick: () => Promise<void> = async () => {};
}

/** The page, opened with the address of a gateway. */
class Page {
  readonly elements = new Map<string, Element>();
  private readonly sockets: WebSocket[] = [];
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(url: string) {
    const { sockets, timers } = this;
    const named = [...PAGE.matchAll(/ id="(\w+)"/g)].map(([, id]) => this.elements.set(id!, new Element()));
    assert(named.length > 0);
    class Kept extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args);
        sockets.push(this);
        this.on("error", () => {});
      }
    }
    const run = new Function("document", "location", "WebSocket", "setTimeout", SCRIPT) as (...given: unknown[]) => void;
    const later = (then: () => void, ms: number): void => void timers.push(setTimeout(then, ms / 10));
    run({ getElementById: (id: string) => this.elements.get(id) }, { search: `?url=${url}` }, Kept, later);
  }

  text(id: string): string {
    return this.elements.get(id)!.textContent;
  }

  async until(id: string, pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text(id))) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    for (const socket of this.sockets)
      socket
        .removeAllListeners()
        .on("error", () => {})
        .terminate();
  }
}

test("the page can be read in one sitting and loads nothing", () => {
  assert(PAGE.split("\n").length <= 120);
  assert.doesNotMatch(PAGE, /\bsrc=|\bhref=|\bimport\b/);
});

test(
  "it lists models, recognises what it drew, and finds a gateway again",
  { skip: PROGRAM ? false : "no gateway" },
  async () => {
    const first = await RealGateway.start();
    const page = new Page(first.url);
    try {
      await page.until("answer", /It is a/);
      assert.match(page.text("models"), /digits \(ready\)/);
      for (let i = 0; i < 10; i++) {
        await page.elements.get("ask")!.onclick();
        const isRing = page.text("picture").split("\n")[3]!.slice(6, 10) !== "████";
        assert.match(page.text("answer"), isRing ? /^It is a 0 / : /^It is a 1 /, page.text("picture"));
        assert.match(page.text("answer"), /There and back in [\d.]+ ms, of which the model ran \d+ µs/);
      }
      await first.kill();
      await page.until("state", /Not connected/);
      assert(page.elements.get("ask")!.disabled);
      const second = await RealGateway.start("--port", new URL(first.url).port);
      await page.until("state", /Connected/);
      await page.elements.get("ask")!.onclick();
      assert.match(page.text("answer"), /It is a/);
      await second.stop();
    } finally {
      page.close();
    }
  },
);
