/**
 * How long to wait before the next attempt to connect: full jitter. Pure.
 *
 * 1. The delay before attempt n after a loss is uniform between 0 and `min(CAP_MS, BASE_MS * 2^n)`.
 * 2. Counting starts anew only after a connection that held `STABLE_MS`: a server that accepts and drops at once is
 *    approached ever more slowly.
 * 3. Only a `goaway` on such a connection is followed at once: the server asked for it.
 * 4. While a gateway keeps streams for their client, it is asked at least `TRIES` times.
 */

const BASE_MS = 500;
const CAP_MS = 20_000;
const STABLE_MS = 10_000;
const TRIES = 6;

export class Backoff {
  private attempt = 0;
  private openedAt: number | undefined;
  private longest = CAP_MS;

  constructor(private readonly random: () => number) {}

  /** Take note that a connection was opened, to a gateway that keeps streams for so long after its end; 0 if it does not. */
  opened(now: number, keptMs: number): void {
    this.openedAt = now;
    this.longest = keptMs ? Math.min(CAP_MS, keptMs / TRIES) : CAP_MS;
  }

  /** Return how long to wait; `invited` after a `goaway`. */
  nextDelay(now: number, invited = false): number {
    const stable = this.openedAt !== undefined && now - this.openedAt >= STABLE_MS;
    this.openedAt = undefined;
    if (stable) this.attempt = 0;
    const ceiling = Math.min(this.longest, BASE_MS * 2 ** this.attempt++);
    return invited && stable ? 0 : this.random() * ceiling;
  }
}
