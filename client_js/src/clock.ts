/** Where the time comes from, in milliseconds. Tests bring a clock of their own, so that none of them waits. */

export interface Clock {
  /** Return the time since some moment; it never goes back. */
  now(): number;
  /** Do something after a while; return what prevents it. */
  after(ms: number, then: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
