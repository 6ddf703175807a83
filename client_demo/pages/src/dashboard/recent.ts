/** The last minutes of some numbers, as columns that a chart takes. Bounded; a time from which nothing came is a gap. Pure. */

/** A number, or null where there was none. */
export type Cell = number | null;

/** Numbers come each second: after so much more, some are missing. */
const GAP_S = 2.5;

export class Recent {
  /** The times in seconds, then a column for each number; of one length all the time. */
  readonly columns: [number[], ...Cell[][]];

  constructor(
    width: number,
    private readonly spanS: number,
  ) {
    this.columns = [[], ...Array.from({ length: width }, (): Cell[] => [])];
  }

  get length(): number {
    return this.columns[0].length;
  }

  get first(): number | undefined {
    return this.columns[0][0];
  }

  get last(): number | undefined {
    return this.columns[0].at(-1);
  }

  /** Add a row that was taken at a Unix time in milliseconds; those that are too old go. */
  push(atMs: number, row: readonly Cell[]): void {
    const time = atMs / 1000;
    const before = this.last;
    if (before !== undefined && time <= before) return; // the gateway's clock was set back: wait until it is past
    if (before !== undefined && time - before > GAP_S) {
      this.append(
        before + 1,
        row.map(() => null),
      );
    }
    this.append(time, row);
    const old = this.columns[0].findIndex((each) => each >= time - this.spanS);
    for (const column of this.columns) column.splice(0, old);
  }

  private append(time: number, row: readonly Cell[]): void {
    this.columns[0].push(time);
    row.forEach((cell, i) => (this.columns[i + 1] as Cell[]).push(cell));
  }
}

/** Return where a column has a number without neighbours, which a line would not show. */
export function isolated(column: readonly (Cell | undefined)[]): number[] {
  return column.flatMap((cell, i) => (cell != null && column[i - 1] == null && column[i + 1] == null ? [i] : []));
}
