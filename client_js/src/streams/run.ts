/** Draws chunks, begins a step with each, and yields their results in order. It knows neither messages nor connections. */

import type { StreamResult } from "../results.js";
import type { Steps } from "./steps.js";

/** Where chunks come from. */
export type Chunks<T> = Iterable<T> | AsyncIterable<T>;

/** The chunks of one call of `run`, drawn one at a time and only when it is told to. */
class Source<T> {
  ended = false;
  error: unknown;
  private chunk: { readonly value: T } | undefined;
  private drawing = false;
  private readonly iterator: Iterator<T> | AsyncIterator<T>;

  constructor(
    chunks: Chunks<T>,
    private readonly wake: () => void,
  ) {
    this.iterator = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  }

  /** Return the chunk that was drawn; if there is none, begin to draw one. */
  take(): { readonly value: T } | undefined {
    const chunk = this.chunk;
    this.chunk = undefined;
    if (!chunk && !this.drawing && !this.ended) void this.draw();
    return chunk;
  }

  /** Draw no more: a chunk was no good. */
  fail(error: unknown): void {
    this.error ??= { error };
    this.close();
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.chunk = undefined;
    // A generator that waits for something ends when it has it; nobody waits for that.
    void Promise.resolve(this.iterator.return?.()).catch(() => {});
  }

  private async draw(): Promise<void> {
    this.drawing = true;
    try {
      const { done, value } = await this.iterator.next();
      if (done) this.ended = true;
      else this.chunk = { value };
    } catch (error) {
      if (!this.ended) this.error = { error };
      this.ended = true;
    }
    this.drawing = false;
    this.wake();
  }
}

/**
 * Yield the results of steps, each as soon as it is there; leaving the loop gives up what has not ended.
 *
 * `begin` begins a step with a chunk, and `most` says how many steps there are at a time whose results were not taken.
 * The signal lets no more chunks be drawn.
 */
export async function* run<T>(
  steps: Steps,
  chunks: Chunks<T>,
  begin: (chunk: T) => void,
  most: number,
  signal?: AbortSignal,
): AsyncGenerator<StreamResult, void, undefined> {
  const source = new Source(chunks, () => steps.wake());
  const stop = (): void => {
    source.close();
    steps.wake();
  };
  const beginMore = (): void => {
    for (let chunk; steps.ahead < most && !steps.waits && !steps.failed && (chunk = source.take());) {
      try {
        begin(chunk.value);
      } catch (error) {
        source.fail(error);
      }
    }
  };
  try {
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    for (;;) {
      beginMore();
      const result = steps.take();
      if (result) yield result;
      else if (steps.ahead || !source.ended) await steps.change();
      else break;
    }
    if (source.error) throw (source.error as { error: unknown }).error;
  } finally {
    signal?.removeEventListener("abort", stop);
    source.close();
    steps.close();
  }
}
