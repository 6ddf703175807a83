/** Sends chunks of sound through a stream and tells what comes back, through cuts and restarts. It knows no microphone, no page. */

import { type Connection, ResumeFailed } from "tidegate";

export const MODEL = "silero_vad";
export const RATE_HZ = 16_000;
export const CHUNK = 512;
export const CHUNK_S = CHUNK / RATE_HZ;

type Chunk = Float32Array;

/** What is known of one chunk. */
export interface Heard {
  /** The probability that somebody speaks. */
  readonly speech: number;
  /** Milliseconds from when the chunk was there to when its result was. */
  readonly tookMs: number;
  /** Rows in its batch. */
  readonly batch: number;
}

/**
 * Listen until the source ends. `onLost` is called when the gateway does not have the stream any more, with the number of
 * chunks whose results are lost; another stream, which remembers nothing, then goes on. Raises what else goes wrong.
 */
export async function listen(
  gw: Connection,
  source: AsyncIterator<Chunk>,
  onHeard: (heard: Heard) => void,
  onLost: (chunks: number) => void,
): Promise<void> {
  for (;;) {
    const chunks = new Timed(source);
    try {
      return await hearThrough(gw, chunks, onHeard);
    } catch (error) {
      if (!(error instanceof ResumeFailed)) throw error;
      onLost(chunks.unanswered);
    }
  }
}

async function hearThrough(gw: Connection, chunks: Timed, onHeard: (heard: Heard) => void): Promise<void> {
  const stream = await gw.stream(MODEL, { sr: RATE_HZ });
  try {
    for await (const { outputs, timing } of stream.run(chunks)) {
      const [speech] = outputs.output!.data as Float32Array;
      onHeard({ speech: speech!, tookMs: performance.now() - chunks.answered(), batch: timing.batchSize });
    }
  } finally {
    void stream.close().catch(() => {}); // nobody waits for a gateway that is away
  }
}

/** The chunks of one stream, with the time of each. It has no `return`, so the source outlives the stream. */
class Timed implements AsyncIterableIterator<Chunk> {
  private readonly times: number[] = [];

  constructor(private readonly source: AsyncIterator<Chunk>) {}

  async next(): Promise<IteratorResult<Chunk>> {
    const result = await this.source.next();
    if (!result.done) this.times.push(performance.now());
    return result;
  }

  /** Return when the oldest chunk without a result was taken; it has one now. */
  answered(): number {
    return this.times.shift()!;
  }

  get unanswered(): number {
    return this.times.length;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
