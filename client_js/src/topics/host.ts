/** Does with a session's subscriptions what a program asks for: from calls to the pure `Topics`. It decides nothing. */

import type { Feed } from "../feed.js";
import type { Session } from "../session.js";
import type { SubscribeOptions, TopicEvent } from "../subscription.js";
import { Topics } from "./topics.js";
import { Watch } from "./watch.js";

/** A subscription that was begun, and what ends it. */
export interface Begun {
  readonly feed: Feed<TopicEvent>;
  close(): void;
}

export class TopicHost {
  private readonly topics: Topics;

  constructor(private readonly session: Session) {
    this.topics = new Topics(() => session.nextId());
    session.attach("topics", this.topics);
  }

  /** Begin a subscription. Raises ConnectionLost if the connection is closed. */
  subscribe(pattern: string, { overflow = "latest", signal }: SubscribeOptions): Begun {
    this.session.checkOpen();
    const watch = new Watch(pattern, overflow);
    const close = (): void => {
      signal?.removeEventListener("abort", close);
      this.topics.remove(watch);
      this.session.flush();
    };
    this.topics.add(watch);
    this.session.flush();
    if (signal?.aborted) close();
    else signal?.addEventListener("abort", close);
    return { feed: watch.feed, close };
  }
}
