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
    this.topics = new Topics(() => session.nextId(), turns());
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

/** Return what numbers the turns of the event loop: as long as no promise could go on, it is the same one. */
function turns(): () => number {
  let turn = 0;
  let isNew = false;
  return () => {
    if (!isNew) {
      isNew = true;
      turn++;
      queueMicrotask(() => (isNew = false));
    }
    return turn;
  };
}
