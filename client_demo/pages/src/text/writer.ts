/** Lets the model write one text, at a pace that can be read along, through cuts and restarts. It shows nothing. */

import { type Connection, ResumeFailed, type Stream } from "tidegate";

/** Results that may wait here: what is not read yet stays at the gateway, also through a cut. */
const WINDOW = 8;
/** Pauses that are shorter are not made, but added to the next one. */
const SHORTEST_PAUSE_MS = 4;

export interface Wish {
  readonly prompt: readonly number[];
  readonly temperature: number;
  readonly seed: number;
  /** Characters in a second, as it is now; 0 for as fast as it goes. */
  readonly pace: () => number;
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
  const stream = await gw.stream("chars", {}, { window: WINDOW });
  try {
    await follow(stream, wish, signal, onProgress);
  } finally {
    void stream.close().catch(() => {}); // the page does not wait for a gateway that is away
  }
}

async function follow(stream: Stream, wish: Wish, signal: AbortSignal, onProgress: (progress: Progress) => void) {
  const { pace, ...asked } = wish;
  let [text, tokens] = ["", 0];
  const start = performance.now();
  let due = start; // when the next character is to be shown
  for await (const result of stream.generate({ ...asked, signal })) {
    if (signal.aborted) return; // the model is ahead of the reader; what was not read is not wanted any more
    text += result.text ?? "";
    tokens++;
    const now = performance.now();
    onProgress({ text, rate: rate(tokens, now - start), reason: result.reason });
    if (!pace()) continue;
    due = Math.max(due, now - SHORTEST_PAUSE_MS) + 1000 / pace();
    await pause(due - now, signal);
  }
}

function rate(count: number, ms: number): number {
  return count / Math.max(ms / 1000, 0.001);
}

/** Wait, but not beyond a signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms < SHORTEST_PAUSE_MS || signal.aborted) return resolve();
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}
