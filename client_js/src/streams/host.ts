/** Does with a session's streams what a program asks for: from calls to the pure `Streams` and back. It decides nothing. */

import type { Awaited } from "../awaited.js";
import type { Catalogue } from "../catalogue.js";
import type { Session } from "../session.js";
import { describe } from "../states.js";
import type { StreamLog } from "./log.js";
import { type Entry, Errand, Step } from "./requests.js";
import { Streams } from "./streams.js";

export class StreamHost {
  private readonly streams: Streams;

  constructor(
    readonly session: Session,
    readonly catalogue: Catalogue,
  ) {
    const { memory, options } = session;
    this.streams = new Streams(memory, options.maxPending, () => session.nextId());
    session.attach("streams", this.streams);
  }

  /** Make a stream that is to be opened. */
  create(model: string, window: number): StreamLog {
    return this.streams.create(model, window);
  }

  /** Let a step or an errand wait for its turn. Raises why nothing can be asked. */
  add(entry: Entry): void {
    this.session.checkOpen();
    if (entry instanceof Errand && entry.made === entry.log) this.streams.open(entry);
    else this.streams.add(entry);
    entry.watch(() => this.expire(entry));
    this.session.flush();
  }

  /** Ask for the end of all steps of a stream. */
  cancel(log: StreamLog): void {
    log.cancel((step) => this.expire(step));
    this.touch(log);
  }

  /** Forget a step that nobody waits for any more. */
  giveUp(step: Step): void {
    step.log.giveUp(step);
    this.touch(step.log);
  }

  private expire(entry: Awaited): void {
    const connection = describe(this.session.state);
    if (entry instanceof Step) {
      entry.log.expire(entry, connection);
      this.touch(entry.log);
    } else if (entry instanceof Errand) {
      this.streams.abandon(entry, entry.tooLate(connection));
      this.session.flush();
    }
  }

  private touch(log: StreamLog): void {
    this.streams.touch(log);
    this.session.flush();
  }
}
