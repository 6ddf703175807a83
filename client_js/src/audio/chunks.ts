/** Samples in chunks of one length, and a queue of them that stays short. Pure. */

export class Chunker {
  private chunk: Float32Array;
  private filled = 0;

  constructor(private readonly length: number) {
    this.chunk = new Float32Array(length);
  }

  /** Return the chunks that are full now. */
  push(samples: Float32Array): Float32Array[] {
    const full = [];
    for (let at = 0; at < samples.length;) {
      const part = samples.subarray(at, at + this.length - this.filled);
      this.chunk.set(part, this.filled);
      at += part.length;
      this.filled += part.length;
      if (this.filled < this.length) break;
      full.push(this.chunk);
      this.chunk = new Float32Array(this.length);
      this.filled = 0;
    }
    return full;
  }
}

/** Return samples as 16-bit integers; what is beyond ±1 is cut off. */
export function toInt16(samples: Float32Array): Int16Array {
  return Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));
}

/** Return how loud samples are: the root of the mean of their squares. */
export function loudness(samples: Float32Array): number {
  return samples.length ? Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length) : 0;
}

/** Keeps the newest: sound that nobody has heard in time is worth less than what comes. */
export class Newest<T> {
  /** How many were thrown away. */
  dropped = 0;
  private items: T[] = [];

  constructor(private readonly most: number) {}

  put(item: T): void {
    this.items.push(item);
    if (this.items.length <= this.most) return;
    this.items.shift();
    this.dropped++;
  }

  take(): T | undefined {
    return this.items.shift();
  }
}
