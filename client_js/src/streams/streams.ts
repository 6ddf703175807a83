/**
 * All streams of one client: what is sent for them, who gets what comes, and how they go on after a cut. Pure.
 *
 * It knows connections only by `greeted` and `cut`. A stream whose `opened` did not come before a cut is asked for again, under
 * another name: nobody knows whether it came to be, and a gateway drops the streams that `resume` does not name.
 */

import type { Memory } from "../awaited.js";
import { type Data, type Tensors, within } from "../codec.js";
import {
  ConnectionLost,
  errorFromWire,
  ModelUnavailable,
  Overloaded,
  ResumeFailed,
  ShuttingDown,
  type TidegateError,
  UnknownStream,
} from "../errors.js";
import type { ClientMessage, ErrorMessage, Hello, Opened, Resumed, ServerMessage } from "../messages.js";
import type { Arrived, StreamSide } from "../sides.js";
import { CHECKS } from "./checks.js";
import { StreamLog } from "./log.js";
import { type Desk, type Entry, Errand, Step } from "./requests.js";

/** So many messages in a row that cannot be read, over any number of connections, end the streams: a replay may repeat them. */
const MAX_UNREADABLE = 3;
/** A `resume` that names more of them may be larger than a message without tensors can be. */
const MAX_STREAMS = 1024;

export class Streams implements StreamSide {
  readonly checks = CHECKS;
  private readonly desk: Desk;
  private readonly logs = new Map<unknown, StreamLog>(); // those that are open, by name
  private opening: Errand[] = []; // streams that are to be asked for
  private readonly ready = new Set<StreamLog>(); // those that may have something to send, in turn
  private readonly asked = new Map<unknown, Errand>(); // errands that were sent, by id
  private token: string | undefined;
  private nextToken: string | undefined;
  private resuming = false;
  private unread = 0;

  constructor(
    private readonly memory: Memory,
    private readonly maxPending: number,
    readonly nextId: () => number,
  ) {
    this.desk = { out: [], waiting: 0, inFlight: 0, count: (bytes) => memory.count(bytes) };
  }

  /** How many streams are open. */
  get openCount(): number {
    return this.logs.size;
  }

  /** How many steps are at the gateway. */
  get inFlight(): number {
    return this.desk.inFlight;
  }

  // What the program wants.

  /** Make a stream that is to be opened. */
  create(model: string, window: number): StreamLog {
    return new StreamLog(this.nextId(), model, window, this.desk);
  }

  /** Ask for a stream. Raises Overloaded if there are too many. */
  open(errand: Errand): void {
    const streams = this.logs.size + this.opening.length + this.asked.size;
    if (streams >= MAX_STREAMS) throw new Overloaded(`this connection has ${streams} streams, and could not resume more`);
    this.opening.push(errand);
  }

  /** Let a step or an errand wait for its turn. Raises what `StreamLog.add` raises, or Overloaded. */
  add(entry: Entry): void {
    if (entry instanceof Step && this.desk.waiting >= this.maxPending) {
      throw new Overloaded(`${this.desk.waiting} steps wait in this client already (option maxPending)`);
    }
    entry.log.add(entry);
    this.ready.add(entry.log);
  }

  /** See whether a stream has something to send, after the program has done something with it. */
  touch(log: StreamLog): void {
    this.ready.add(log);
  }

  /** Forget an errand; a stream that comes to be by it is closed. */
  abandon(errand: Errand, error: unknown): void {
    if (errand.phase !== "waiting" && errand.phase !== "sent") return;
    errand.waiter.reject(error);
    if (errand.phase === "sent") {
      errand.phase = "abandoned";
    } else {
      errand.finish();
      this.opening = this.opening.filter((each) => each !== errand);
      errand.log.line.forget(errand);
    }
  }

  /** End everything. */
  end(reason: string): void {
    const error = new ConnectionLost(reason, true);
    this.desk.out = [];
    for (const errand of this.opening.splice(0)) this.abandon(errand, error);
    for (const errand of [...this.asked.values()]) this.fail(errand, error);
    for (const log of [...this.logs.values()]) this.finish(log, error);
    this.asked.clear();
    this.ready.clear();
  }

  // What goes out.

  /** Return the small messages to be sent, in order. */
  takeOut(): ClientMessage[] {
    const out = this.desk.out;
    this.desk.out = [];
    return out;
  }

  /** Return the next message to send, if there is one that may be sent now: openings first, then one step of each stream. */
  next(limit: number, mayOpen: boolean): Data | undefined {
    if (this.resuming) return undefined;
    while (mayOpen && this.opening[0]) {
      const errand = this.opening[0];
      const data = this.write(errand, limit);
      if (!data) continue;
      this.opening.shift();
      errand.phase = "sent";
      this.asked.set(errand.id, errand);
      return data;
    }
    for (const log of this.ready) {
      let entry;
      while ((entry = log.next())) {
        if (entry instanceof Step && entry.phase === "waiting" && !this.memory.hasRoom(entry.payload.nbytes)) return undefined;
        const data = this.write(entry, limit);
        if (!data) continue;
        log.markSent(entry);
        if (entry instanceof Errand) this.asked.set(entry.id, entry);
        this.ready.delete(log); // to the end
        this.ready.add(log);
        return data;
      }
      this.ready.delete(log);
    }
    return undefined;
  }

  // What comes in.

  result(arrived: Arrived): void {
    const log = this.logs.get(arrived.message.stream);
    if (!log) return;
    this.unread = 0;
    log.result(arrived);
    this.look(log);
  }

  /** Take an error; return whether it was about a stream. `draining` after a goaway. */
  error(message: ErrorMessage, draining: boolean): boolean {
    const log = this.logs.get(message.stream);
    const errand = this.answered(message.id);
    if (log) {
      log.error(message);
      this.look(log);
      if (errand) this.fail(errand, errorFromWire(message));
    } else if (errand && errand.made === errand.log && message.code === "shutting_down" && draining) {
      this.putBack(errand); // it crossed the goaway on its way, and goes to the next gateway
    } else if (errand) {
      this.fail(errand, errorFromWire(message));
    } else if (message.code === "resume_failed" && this.resuming) {
      this.resumeFailed(message.message);
    } else {
      return message.stream != null;
    }
    return true;
  }

  /** Take any other message; one that is not about streams is ignored. */
  other(message: ServerMessage, tensors: Tensors): void {
    if (message.op === "opened") return this.opened(message);
    if (message.op === "resumed" && this.resuming) return this.resumed(message);
    if (message.op === "snapshot") {
      const errand = this.answered(message.id);
      if (errand?.phase === "sent") errand.waiter.resolve(tensors);
      return errand?.finish();
    }
    const log = "stream" in message ? this.logs.get(message.stream) : undefined;
    if (log && message.op === "gap") {
      log.gap(message);
      this.look(log);
    } else if (log && message.op === "closed") {
      this.finish(log, endOf(message.reason, log));
    }
  }

  /** Take note of a message that could not be read and may have been a stream's. */
  unreadable(): void {
    if (++this.unread < MAX_UNREADABLE) return;
    for (const log of [...this.logs.values()])
      this.finish(log, new ResumeFailed(`${this.unread} messages in a row could not be read`, { lost: [log.name] }));
  }

  // Connections come and go.

  /** A connection was opened: go on where the last one ended, before anything else is sent. */
  greeted(hello: Hello): void {
    this.nextToken = hello.resume_token ?? undefined;
    if (!this.logs.size) {
      this.token = this.nextToken;
    } else if (this.token === undefined) {
      this.resumeFailed("the gateway does not keep streams beyond their connection");
    } else {
      this.resuming = true;
      const streams = [...this.logs.values()].map((log) => ({ stream: log.name, last_seq: log.sequence.last }));
      this.desk.out.push({ op: "resume", token: this.token, streams });
    }
  }

  /** The connection is gone. */
  cut(): void {
    this.resuming = false;
    this.desk.out = [];
    this.ready.clear();
    for (const errand of [...this.asked.values()].reverse()) {
      if (errand.made) errand.made.name = this.nextId();
      if (errand.made === errand.log) this.putBack(errand);
    }
    this.asked.clear();
    for (const log of this.logs.values()) log.cut();
  }

  /** Return the errand with this id, which is at its end, except that it keeps its phase. */
  private answered(id: unknown): Errand | undefined {
    const errand = this.asked.get(id);
    if (errand) errand.log.asked = errand.log.asked.filter((each) => each !== errand);
    this.asked.delete(id);
    return errand;
  }

  private opened(message: Opened): void {
    const errand = this.answered(message.id);
    const log = errand?.made;
    if (!errand || !log) return;
    if (errand.phase !== "sent") {
      this.desk.out.push({ op: "close", stream: log.name }); // nobody waits for it any more
      return;
    }
    errand.finish();
    this.logs.set(log.name, log);
    log.opened(message);
    if (log !== errand.log) log.grant(); // a fork begins without a limit
    errand.waiter.resolve({});
    this.ready.add(log);
  }

  /** Write an entry; return undefined if it cannot be, after it has failed with that. */
  private write(entry: Entry, limit: number): Data | undefined {
    try {
      return within(limit, entry.write());
    } catch (error) {
      if (entry instanceof Step) entry.log.giveUp(entry, error as TidegateError);
      else this.abandon(entry, error);
      return undefined;
    }
  }

  private putBack(errand: Errand): void {
    if (errand.phase !== "sent") return;
    errand.phase = "waiting";
    this.opening.unshift(errand);
  }

  private fail(errand: Errand, error: TidegateError): void {
    if (errand.phase === "sent") errand.waiter.reject(error);
    errand.finish();
  }

  private resumed(message: Resumed): void {
    this.resuming = false;
    this.token = message.token;
    const there = new Map(message.streams.map((entry) => [entry.stream, entry]));
    for (const [name, log] of [...this.logs]) {
      const entry = there.get(name as number);
      if (entry) {
        log.resumed(entry);
        this.look(log);
      } else {
        this.lose(log, "the gateway does not keep it any more");
      }
    }
  }

  private resumeFailed(why: string): void {
    this.resuming = false;
    this.token = this.nextToken;
    for (const log of [...this.logs.values()]) this.lose(log, why);
  }

  private lose(log: StreamLog, why: string): void {
    const lost = `${why}: the state of a stream of '${log.model}' is lost, after result ${log.sequence.last}`;
    this.finish(log, log.closing ? endOf("closed", log) : new ResumeFailed(lost, { lost: [log.name] }));
  }

  private finish(log: StreamLog, error: TidegateError): void {
    for (const errand of log.asked) this.asked.delete(errand.id);
    log.end(error);
    this.logs.delete(log.name);
  }

  /** See what has become of a stream. */
  private look(log: StreamLog): void {
    if (!log.ended) {
      this.ready.add(log);
      return;
    }
    this.logs.delete(log.name);
    if (!(log.ended instanceof UnknownStream)) this.desk.out.push({ op: "close", stream: log.name });
  }
}

/** Return what asking a stream for anything more raises, given why the gateway has ended it. */
function endOf(reason: string, log: StreamLog): TidegateError {
  if (reason === "closed") return new UnknownStream("the stream was closed by this program");
  const told = `the gateway has closed the stream of '${log.model}': ${reason}`;
  if (reason === "shutting_down") return new ShuttingDown(told);
  return reason === "model_unavailable" ? new ModelUnavailable(told) : new UnknownStream(told);
}
