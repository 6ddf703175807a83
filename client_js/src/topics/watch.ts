/**
 * One subscription: which events are new to it, which of them wait for the program, and how many it missed. Pure.
 *
 * 1. Nothing comes twice: events that a new subscription or a new connection brings again are passed over. A number that was
 *    there before with a later time is new: the gateway was started anew, and counts from 1.
 * 2. What waits is bounded: with `latest` the newest event of each topic, with `drop_oldest` the newest of all. Events that came
 *    at once do not replace each other: nobody could have taken the first one before the others came.
 * 3. Every event that came and was dropped here, or that its number says the gateway dropped, is counted as missed in the
 *    next one of its topic. What was before the first one is not.
 */

import { Feed } from "../feed.js";
import type { EventOverflow, TopicEvent } from "../subscription.js";

type Event = Omit<TopicEvent, "missed">;

/** What is remembered of a topic: the newest event that came, and what to add to the count of the next one. */
interface Mark {
  readonly seq: number;
  readonly atMs: number;
  carry: number;
}

interface Waiting {
  readonly event: Event;
  readonly turn: number;
  missed: number;
}

const MOST: Record<EventOverflow, number> = { latest: 1024, drop_oldest: 64 };
const MOST_TOPICS = 1024;

export class Watch {
  readonly feed = new Feed(() => this.take());
  private readonly marks = new Map<string, Mark>();
  private waiting: Waiting[] = [];

  constructor(
    readonly pattern: string,
    readonly overflow: EventOverflow,
  ) {}

  /** Take an event of one of its topics; `turn` is the same for those that came at once. */
  put(event: Event, turn: number): void {
    const { topic, seq, atMs } = event;
    const mark = this.marks.get(topic);
    if (mark && seq <= mark.seq && atMs <= mark.atMs) return;
    const before = !mark ? seq - 1 : seq > mark.seq ? mark.seq : 0;
    this.remember(topic, { seq, atMs, carry: 0 });
    this.waiting.push({ event, turn, missed: seq - before - 1 + (mark?.carry ?? 0) });
    if (this.overflow === "latest") this.replace(topic, turn);
    this.drop((_, i) => i < this.waiting.length - MOST[this.overflow]);
    this.feed.wake();
  }

  /** Let the last one have the place of those that it replaces, so that no topic has to wait for ever. */
  private replace(topic: string, turn: number): void {
    const isOld = ({ event, turn: its }: Waiting): boolean => event.topic === topic && its !== turn;
    const at = this.waiting.findIndex(isOld);
    this.drop(isOld);
    if (at >= 0) this.waiting.splice(at, 0, this.waiting.pop()!);
  }

  private remember(topic: string, mark: Mark): void {
    this.marks.delete(topic);
    this.marks.set(topic, mark);
    if (this.marks.size > MOST_TOPICS) this.marks.delete(this.marks.keys().next().value!);
  }

  private drop(isDropped: (each: Waiting, i: number) => boolean): void {
    const dropped = this.waiting.filter(isDropped);
    if (dropped.length) this.waiting = this.waiting.filter((each) => !dropped.includes(each));
    for (const { event, missed } of dropped) {
      const next = this.waiting.find((each) => each.event.topic === event.topic);
      const mark = this.marks.get(event.topic);
      if (next) next.missed += missed + 1;
      else if (mark) mark.carry += missed + 1;
    }
  }

  private take(): TopicEvent | undefined {
    const next = this.waiting.shift();
    return next && { ...next.event, missed: next.missed };
  }
}
