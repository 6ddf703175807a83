/** A subscription as the program sees it: events to iterate over. It knows nothing of how they come. */

import type { TidegateError } from "./errors.js";
import type { Id } from "./messages.js";
import type { Timing } from "./results.js";
import type { Tensor } from "./tensors.js";
import type { ServerEvent, ServerStats } from "./server-topics.js";
import type { Begun } from "./topics/host.js";

/** What becomes of events that are not taken in time: the newest of each topic stays, or the newest 64 of all. */
export type EventOverflow = "latest" | "drop_oldest";

export interface SubscribeOptions {
  /** @default "latest" */
  readonly overflow?: EventOverflow;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

/** Something that happened at a topic: `data`, or `outputs` with what results have, or `error`, or `closed`. */
export interface TopicEvent<Data = Readonly<Record<string, unknown>>> {
  readonly topic: string;
  /** Its number at the topic. */
  readonly seq: number;
  /** When it happened, in milliseconds as `Date.now()` has them. */
  readonly atMs: number;
  /** How many events of the topic there were between the one before and this one, which did not come. */
  readonly missed: number;
  /** What the gateway tells of itself. */
  readonly data?: Data;
  /** The outputs of a published result by name. */
  readonly outputs?: Readonly<Record<string, Tensor>>;
  /** What a published step or request failed with. */
  readonly error?: TidegateError;
  /** Why the stream that published here has ended. */
  readonly closed?: string;
  readonly model?: string;
  readonly version?: string;
  readonly stream?: Id;
  readonly step?: number;
  readonly final?: boolean;
  readonly text?: string;
  readonly reason?: string;
  readonly timing?: Timing;
}

/** What `data` is at the topics of the gateway itself. */
export interface ServerTopics {
  "server/stats": ServerStats;
  "server/events": ServerEvent;
}

/** What `data` is at a topic. */
export type DataAt<Topic extends string> = Topic extends keyof ServerTopics
  ? ServerTopics[Topic]
  : Readonly<Record<string, unknown>>;

/**
 * The events of a topic, or of all that a pattern means. It outlives its connection: after a cut it goes on with the last values
 * of its topics, and `missed` says what happened meanwhile.
 *
 * Iterating over it raises why the gateway refuses it, or ConnectionLost when there will be no connection any more.
 */
export class Subscription<Data = Readonly<Record<string, unknown>>> implements AsyncIterableIterator<
  TopicEvent<Data>,
  undefined
> {
  constructor(private readonly begun: Promise<Begun>) {
    begun.catch(() => {}); // told by `next`
  }

  async next(): Promise<IteratorResult<TopicEvent<Data>, undefined>> {
    return (await this.begun).feed.next() as Promise<IteratorResult<TopicEvent<Data>, undefined>>;
  }

  /** End it; whoever iterates over it gets what came before, and leaves the loop. */
  async close(): Promise<void> {
    (await this.begun.catch(() => undefined))?.close();
  }

  async return(): Promise<IteratorResult<TopicEvent<Data>, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
