/** Asks the model about pictures, and cancels what it asked before: only the newest matters. It shows nothing. */

import type { Connection } from "tidegate";

export const MODEL = "digits";

export interface Answer {
  /** The probability of each digit. */
  readonly shares: readonly number[];
  /** Milliseconds from the question to the answer. */
  readonly tookMs: number;
  readonly computeUs: number;
}

export class Asker {
  asked = 0;
  cancelled = 0;
  private newest: AbortController | undefined;

  constructor(private readonly gw: Connection) {}

  /** Whether an answer is still to come. */
  get isAsking(): boolean {
    return this.newest !== undefined;
  }

  /** Ask about a picture; undefined if a newer one was asked about meanwhile. Raises what the gateway says. */
  async ask(image: Float32Array): Promise<Answer | undefined> {
    this.forget();
    const mine = (this.newest = new AbortController());
    this.asked++;
    const start = performance.now();
    try {
      const { outputs, timing } = await this.gw.infer(MODEL, { image }, { signal: mine.signal });
      const shares = Array.from(outputs.probs!.data as Float32Array);
      return { shares, tookMs: performance.now() - start, computeUs: timing.computeUs };
    } catch (error) {
      if (mine.signal.aborted) return undefined;
      throw error;
    } finally {
      if (this.newest === mine) this.newest = undefined;
    }
  }

  /** Cancel the question that is open, if there is one. */
  forget(): void {
    if (!this.newest) return;
    this.newest.abort();
    this.newest = undefined;
    this.cancelled++;
  }
}
