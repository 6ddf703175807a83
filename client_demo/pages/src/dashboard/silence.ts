/** Notices when nothing comes although the connection is there: the gateway hangs, or is stopped. Pure; times in milliseconds. */

/** Numbers come each second. */
const SILENT_MS = 4_000;

export class Silence {
  private isTold = false;

  constructor(private heardAt: number) {}

  /** Take note that something came; return how long nothing did if that was told. */
  heard(now: number): number | undefined {
    const lasted = this.isTold ? now - this.heardAt : undefined;
    this.heardAt = now;
    this.isTold = false;
    return lasted;
  }

  /** Whether it is to be told now that nothing comes: once each time, and not while the connection is known to be away. */
  begins(now: number, isOpen: boolean): boolean {
    if (!isOpen) this.heard(now);
    if (this.isTold || now - this.heardAt < SILENT_MS) return false;
    return (this.isTold = true);
  }
}
