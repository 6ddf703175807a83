/** The newest of many numbers, and how they are spread. Pure. */

export class Newest {
  private readonly values: number[] = [];

  constructor(private readonly most: number) {}

  add(value: number): void {
    this.values.push(value);
    if (this.values.length > this.most) this.values.shift();
  }

  /** Return all of them, the oldest first. */
  get all(): readonly number[] {
    return this.values;
  }

  /** Return what a share of them is at most; undefined if there are none. */
  quantile(share: number): number | undefined {
    const sorted = [...this.values].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  }

  clear(): void {
    this.values.length = 0;
  }
}
