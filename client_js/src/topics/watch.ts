/**
 * One subscription: which events are new to it, which of them wait for the program, and how many it missed. Pure.
 *
 * 1. Nothing comes twice: events that a new subscription or a new connection brings again are passed over. A number that was
 *    there before with a later time is new: the gateway was started anew, and counts from 1.
 * 2. What waits is bounded: with `latest` the newest event of each topic, with `drop_oldest` the newest of all.
 * 3. Every event that came and was dropped here, or that its number says the gateway dropped, is counted as missed in the
 *    next one of its topic. What was before the first one is not.
 */

import { Feed } from "../feed.js";
import type { EventOverflow, TopicEvent } from "../subscription.js";

type Event = Omit<TopicEvent, "missed">;

/** What is remembered of a topic. */
interface Mark {
  readonly seq: number;
  readonly atMs: number;
  missed: number;
}

const MOST: Record<EventOverflow, number> = { latest: 1024, drop_oldest: 64 };
const MOST_TOPICS = 1024;

export class Watch {
  readonly feed = new Feed(() => this.take());
  private readonly marks = new Map<string, Mark>();
  private readonly waiting = new Map<string | number, Event>();
  private count = 0;

  constructor(
    readonly pattern: string,
    readonly overflow: EventOverflow,
  ) {}

  /** Take an event of one of its topics. */
  put(event: Event): void {
    const { topic, seq, atMs } = event;
    const mark = this.marks.get(topic);
    if (mark && seq <= mark.seq && atMs <= mark.atMs) return;
    const before = !mark ? seq - 1 : seq > mark.seq ? mark.seq : 0;
    this.marks.delete(topic);
    this.marks.set(topic, { seq, atMs, missed: (mark?.missed ?? 0) + seq - before - 1 });
    if (this.marks.size > MOST_TOPICS) this.marks.delete(this.marks.keys().next().value!);
    this.wait(event);
    this.feed.wake();
  }

  private wait(event: Event): void {
    const key = this.overflow === "latest" ? event.topic : ++this.count;
    this.drop(this.waiting.get(key));
    this.waiting.set(key, event);
    if (this.waiting.size <= MOST[this.overflow]) return;
    const [oldest, dropped] = this.waiting.entries().next().value!;
    this.waiting.delete(oldest);
    this.drop(dropped);
  }

  private drop(event: Event | undefined): void {
    const mark = event && this.marks.get(event.topic);
    if (mark) mark.missed++;
  }

  private take(): TopicEvent | undefined {
    const next = this.waiting.entries().next().value;
    if (!next) return undefined;
    const [key, event] = next;
    this.waiting.delete(key);
    const mark = this.marks.get(event.topic);
    const missed = mark?.missed ?? 0;
    if (mark) mark.missed = 0;
    return { ...event, missed };
  }
}
