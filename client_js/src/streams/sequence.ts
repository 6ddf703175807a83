/**
 * Which of a stream's results have come, and how many more the gateway may send. Pure; it knows neither steps nor messages.
 *
 * 1. What came before does not come again, and nothing is missing that no gap stands for: a number that is skipped without
 *    one is a defect of the gateway.
 * 2. The gateway may send `window` results more than the program has taken: so many may lie here unread, at most.
 * 3. It is told anew when half of that is used, or half of what it keeps for a replay, or `TOLD_BYTES`: it keeps what it was
 *    not told that it came, and under `block` runs nothing more when its memory for that is full.
 */

const TOLD_BYTES = 64 * 1024;

/** What the gateway is told: it may send results up to `until`, and need not keep those up to `seen`. */
export interface Told {
  readonly until: number;
  readonly seen: number;
}

export class Sequence {
  /** The last number that came. */
  last = 0;
  /** How many results were dropped, as gaps tell. */
  dropped = 0;
  /** How many results the gateway keeps. */
  kept: number;
  private unread = 0;
  private bytes = 0;
  private told: Told;

  constructor(readonly window: number) {
    this.kept = window;
    this.told = { until: window, seen: 0 };
  }

  /** Take note that `first` to `last` came; return whether any of them is new, or undefined if something before is missing. */
  take(first: number, last: number): boolean | undefined {
    if (last <= this.last) return false;
    if (first > this.last + 1) return undefined;
    this.last = last;
    return true;
  }

  /** Take note of the size of a result that came, and whether it lies here for the program. */
  weigh(nbytes: number, unread: boolean): void {
    this.bytes += nbytes;
    this.unread += Number(unread);
  }

  /** Take note that the program took some. */
  read(count: number): void {
    this.unread -= count;
  }

  /** Return what the gateway should be told now, if it is time. */
  due(): Told | undefined {
    const half = Math.max(1, Math.floor(Math.min(this.window, this.kept) / 2));
    const until = this.last - this.unread + this.window;
    const isDue = until - this.told.until >= half || this.last - this.told.seen >= half || this.bytes >= TOLD_BYTES;
    return isDue ? this.tell() : undefined;
  }

  /** Return what the gateway should be told if it may have missed what it was told before. */
  tell(): Told {
    this.bytes = 0;
    return (this.told = { until: this.last - this.unread + this.window, seen: this.last });
  }
}
