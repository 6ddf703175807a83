/** What awaits an answer: its time limit, and where it is. It knows no messages. */

import type { Clock } from "./clock.js";
import { DeadlineExceeded } from "./errors.js";

/**
 * Where something is; it moves only forward, except that a cut may send it back to the beginning.
 *
 * `waiting`: not sent yet, or to be sent again. `sent`: the gateway has it. `abandoned`: nobody waits any more; the gateway
 * still owes its answer, which frees its place. `finished`: nothing is owed.
 */
export type Phase = "waiting" | "sent" | "abandoned" | "finished";

/** A sent request is given this long beyond its time limit, so that the gateway's own verdict can still arrive. */
export const GRACE_MS = 250;

export class Awaited {
  phase: Phase = "waiting";
  /** When its time limit passes. */
  readonly deadline: number;
  /** When this client gives it up by itself. */
  expires: number;
  private stopTimer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    readonly timeout: number,
  ) {
    this.deadline = this.expires = clock.now() + timeout;
  }

  /** Call `late` when it has expired, unless it is finished by then. */
  watch(late: () => void): void {
    this.stopTimer?.();
    if (this.expires === Infinity) return;
    this.stopTimer = this.clock.after(Math.max(0, this.expires - this.clock.now()), () => {
      if (this.phase === "finished") return;
      if (this.clock.now() < this.expires) this.watch(late);
      else late();
    });
  }

  /** Give it up sooner: this long from now. */
  hurry(ms: number, late: () => void): void {
    this.expires = Math.min(this.expires, this.clock.now() + ms);
    this.watch(late);
  }

  finish(): void {
    this.phase = "finished";
    this.stopTimer?.();
  }

  /** Return the time that is left, as messages say it. */
  get leftMs(): number {
    return Math.max(1, Math.ceil(this.deadline - this.clock.now()));
  }

  tooLate(why: string): DeadlineExceeded {
    return new DeadlineExceeded(`no answer within ${this.timeout} ms: ${why}`);
  }
}

/** Who waits for one outcome. */
export interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** The bytes that unfinished things keep. More are given only within the limit, or to one alone. */
export class Memory {
  private held = 0;

  constructor(private readonly limit: number) {}

  hasRoom(bytes: number): boolean {
    return this.held + bytes <= this.limit || this.held === 0;
  }

  count(bytes: number): void {
    this.held += bytes;
  }
}
