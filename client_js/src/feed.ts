/** An iterator over something that goes on by itself, such as events or sound. It keeps nothing: what gives the values does. */

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

const DONE = { done: true, value: undefined } as const;

export class Feed<T> {
  private waiting: Waiter<T>[] = [];
  private over: { readonly error?: unknown } | undefined;

  /** `take` returns the next value, if there is one now. */
  constructor(private readonly take: () => T | undefined) {}

  /** Return the next value, as soon as there is one. Raises, once, what it ended with. */
  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.wake();
    });
  }

  /** See whether there is something for those who wait. */
  wake(): void {
    for (let value; this.waiting.length && (value = this.take()) !== undefined;) {
      this.waiting.shift()!.resolve({ done: false, value });
    }
    if (!this.over) return;
    for (const waiter of this.waiting.splice(0)) {
      if ("error" in this.over) waiter.reject(this.over.error);
      else waiter.resolve(DONE);
      this.over = {};
    }
  }

  /** Let it end behind what is there, or with an error. Only the first end counts. */
  end(...error: [] | [unknown]): void {
    this.over ??= error.length ? { error: error[0] } : {};
    this.wake();
  }
}
