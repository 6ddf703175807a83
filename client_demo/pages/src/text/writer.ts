/** Lets the model write one text, at a pace that can be read along, through cuts and restarts. It shows nothing. */

import { type Connection, ResumeFailed } from "tidegate";

export interface Wish {
  readonly prompt: readonly number[];
  readonly temperature: number;
  readonly seed: number;
  /** Characters in a second; 0 for as fast as it goes. */
  readonly pace: number;
}

export interface Progress {
  readonly text: string;
  /** Characters in a second so far. */
  readonly rate: number;
  /** Why it ended: `stop` or `length`. */
  readonly reason?: string | undefined;
}

/** Write until the end, or a signal; `onProgress` is called for each character, and `onAgain` when the gateway has lost the text and it begins anew. */
export async function write(
  gw: Connection,
  wish: Wish,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
  onAgain: () => void,
): Promise<void> {
  for (;;) {
    try {
      return await writeOnce(gw, wish, signal, onProgress);
    } catch (error) {
      if (!(error instanceof ResumeFailed) || signal.aborted) throw error;
      onAgain();
    }
  }
}

async function writeOnce(gw: Connection, wish: Wish, signal: AbortSignal, onProgress: (progress: Progress) => void) {
  const { pace, ...asked } = wish;
  let [text, tokens] = ["", 0];
  const start = performance.now();
  for await (const result of gw.generate("chars", { ...asked, signal })) {
    if (signal.aborted) return; // the model is ahead of the reader; what was not read is not wanted any more
    text += result.text ?? "";
    tokens++;
    onProgress({ text, rate: rate(tokens, performance.now() - start), reason: result.reason });
    if (pace && !result.final) await pause(start + (tokens * 1000) / pace - performance.now(), signal);
  }
}

function rate(count: number, ms: number): number {
  return count / Math.max(ms / 1000, 0.001);
}

/** Wait, but not beyond a signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) return resolve();
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}
