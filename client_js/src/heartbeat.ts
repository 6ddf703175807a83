/**
 * Is the gateway still there? A pure watchdog over the last sign of life; it sends nothing and closes nothing.
 *
 * 1. Whatever comes is a sign of life. So is, while bytes wait to be sent, that the network takes some of them.
 * 2. After `keepaliveMs` without one, ask, once.
 * 3. When that had no answer for as long again, the gateway is gone. A page that slept could not ask, and so asks first.
 */

export class Heartbeat {
  private aliveAt: number;
  private askedAt: number | undefined;
  private delivered = 0;
  private hadBacklog = false;

  constructor(
    private readonly keepaliveMs: number,
    now: number,
  ) {
    this.aliveAt = now;
  }

  heard(now: number): void {
    this.aliveAt = now;
    this.askedAt = undefined;
  }

  /** Decide, given the bytes that the network has taken so far, and those that wait for it. */
  check(now: number, delivered: number, backlog: number): "fine" | "ask" | "dead" {
    // Without a backlog it means nothing that bytes are taken: small messages are, for a peer that is long gone.
    if (delivered > this.delivered && this.hadBacklog) this.heard(now);
    this.delivered = delivered;
    this.hadBacklog = backlog > 0;
    if (now < this.nextCheck()) return "fine";
    if (this.askedAt !== undefined) return "dead";
    this.askedAt = now;
    return "ask";
  }

  nextCheck(): number {
    return (this.askedAt ?? this.aliveAt) + this.keepaliveMs;
  }
}
