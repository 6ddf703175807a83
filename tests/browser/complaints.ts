/** What a browser has to complain of in its pages: errors, warnings, what the Content-Security-Policy refused, failed loads. */

import assert from "node:assert/strict";
import type { BrowserContext } from "playwright-core";

export class Complaints {
  private readonly found: string[] = [];

  /** Listen to all pages of a context, workers included, from now on. */
  constructor(
    context: BrowserContext,
    private readonly expected: readonly RegExp[],
  ) {
    context.on("weberror", (error) => this.add(`error: ${error.error().stack ?? error.error().message}`));
    context.on("console", (message) => {
      if (["error", "warning", "assert"].includes(message.type())) {
        this.add(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    context.on("requestfailed", (request) => this.add(`not loaded: ${request.url()}: ${request.failure()?.errorText}`));
    context.on("response", (response) => {
      if (response.status() >= 400) this.add(`status ${response.status()}: ${response.url()}`);
    });
  }

  /** Raises with everything that nobody expected. */
  check(): void {
    assert.deepEqual(this.found, [], "the browser has complaints");
  }

  private add(complaint: string): void {
    if (!this.expected.some((each) => each.test(complaint))) this.found.push(complaint);
  }
}
