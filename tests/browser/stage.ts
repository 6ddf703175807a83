/** A real gateway and a real browser, and visits to pages that fail if the browser complains. */

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { PROGRAM, RealGateway } from "../../client_js/test/gateway.js";
import { launch, MISSING } from "./chromium.js";
import { Complaints } from "./complaints.js";

/** Why nothing can be tested here; false if it can. */
export const SKIP = PROGRAM ? MISSING : "tidegate is not installed in .venv, and TIDEGATE names none";

/** How long anything on a page may take that is waited for. */
const PATIENCE_MS = 15_000;

export interface VisitOptions extends BrowserContextOptions {
  /** What the browser may complain of: a server that is killed leaves traces. */
  readonly expected?: readonly RegExp[];
}

/** Return where pages are, given where the WebSocket is. */
export function origin(url: string): string {
  return new URL("/", url.replace(/^ws/, "http")).origin;
}

export class Stage {
  private constructor(
    private readonly browser: Browser,
    public gateway: RealGateway,
    private readonly options: readonly string[],
  ) {}

  /** Start both; `recording` is what the microphone plays. */
  static async set(options: readonly string[] = [], recording?: string): Promise<Stage> {
    const [browser, gateway] = await Promise.all([launch(recording), RealGateway.start(...options)]);
    return new Stage(browser, gateway, options);
  }

  /** Kill the gateway, and start another one at the same address. */
  async restart(): Promise<void> {
    const { port } = new URL(this.gateway.url);
    await this.gateway.kill();
    this.gateway = await RealGateway.start(...this.options, "--port", port);
  }

  /** Open a page of the gateway, or of another address, as somebody who was never here; do something there, and leave. */
  async visit(address: string, act: (page: Page) => Promise<void>, options: VisitOptions = {}): Promise<void> {
    const { expected = [], ...rest } = options;
    const context = await this.browser.newContext({ permissions: ["microphone"], ...rest });
    context.setDefaultTimeout(PATIENCE_MS);
    // Functions that tests run in a page come through esbuild, which names those inside of them by a helper of its own.
    await context.addInitScript("globalThis.__name = (named) => named");
    const complaints = new Complaints(context, expected);
    try {
      const page = await context.newPage();
      await page.goto(new URL(address, origin(this.gateway.url)).href);
      await act(page);
      // Whatever the page has to say by now comes before the answer to this.
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
      complaints.check();
    } finally {
      await context.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.browser.close(), this.gateway.stop()]);
  }
}
