/**
 * One stream as this client knows it, over any number of connections: what was asked of it and what came. Pure.
 *
 * Results are told once and in order, whatever is sent twice; what is promised for steps is said in `line.ts`. A step is sent
 * again only when everything has come that the gateway had given out before the cut: until then it may turn out that one
 * failed, and that other numbers are expected.
 */

import { ConnectionLost, errorFromWire, type TidegateError, UnknownStream } from "../errors.js";
import type { ErrorMessage, Gap, Opened, ResumedStream } from "../messages.js";
import type { Arrived } from "../sides.js";
import { StreamLine } from "./line.js";
import { type Desk, type Entry, Errand, type Step } from "./requests.js";
import { Sequence } from "./sequence.js";

/** How long a cancel may go unanswered before the step counts as dropped. */
const CANCEL_WAIT_MS = 10_000;

export class StreamLog {
  /** The model's version, once the stream is open. */
  version = "";
  readonly sequence: Sequence;
  readonly line: StreamLine;
  /** Why nothing can be asked of it any more. */
  ended: TidegateError | undefined;
  /** Whether the program has asked for its end. */
  closing = false;
  /** Errands that are at the gateway. */
  asked: Errand[] = [];
  private attached = false; // the connection knows the stream
  private replayTo: number | undefined; // what has to come before steps are sent again
  private acceptedBelow = 1;

  constructor(
    public name: number,
    readonly model: string,
    window: number,
    private readonly desk: Desk,
  ) {
    this.sequence = new Sequence(window);
    this.line = new StreamLine(desk);
  }

  // What the program wants.

  /** Let a step or an errand wait for its turn. Raises why nothing can be asked any more. */
  add(entry: Entry): void {
    if (this.ended) throw this.ended;
    if (this.closing) throw new UnknownStream("the stream was closed by this program");
    this.line.add(entry);
  }

  /** Ask for the end of all steps; their outcomes will say what became of them. */
  cancel(late: (step: Step) => void): void {
    for (const step of this.line.cancel()) {
      step.hurry(CANCEL_WAIT_MS, () => late(step));
      this.tellCancel(step);
    }
  }

  /** Give a step up; its inbox is told why, if there is a reason. */
  giveUp(step: Step, error?: TidegateError): void {
    if (this.line.giveUp(step, error)) this.tellCancel(step);
  }

  /** Give up a step whose time has passed; `connection` says where that is. */
  expire(step: Step, connection: string): void {
    if (step.phase === "abandoned") return;
    this.giveUp(step, step.tooLate(step.phase === "sent" ? "the gateway did not answer" : `it was not sent; ${connection}`));
  }

  /** Take note that the program took some results. */
  read(count: number): void {
    this.sequence.read(count);
    this.grantIfDue();
  }

  // What goes out.

  /** Return what may be sent now, if anything. */
  next(): Entry | undefined {
    return this.attached && this.replayTo === undefined ? this.line.next() : undefined;
  }

  markSent(entry: Entry): void {
    this.line.markSent(entry);
    if (entry instanceof Errand) this.asked.push(entry);
  }

  /** Tell the gateway how much it may send, whatever it was told before. */
  grant(): void {
    this.desk.out.push({ op: "credit", stream: this.name, ...this.sequence.tell() });
  }

  // What comes in.

  /** Take note that the stream is there. */
  opened(message: Opened): void {
    this.version = message.model_version;
    this.sequence.kept = message.results;
    this.line.begin(message.next_step, message.steps);
    this.attached = true;
  }

  /** Take a result of a step. */
  result(arrived: Arrived): void {
    const { step: number, seq, final } = arrived.message;
    if (!this.isNew(seq!, seq!)) return;
    const step = this.line.reach(number!);
    const wanted = step !== undefined && step.phase !== "abandoned";
    this.sequence.weigh(arrived.nbytes, wanted);
    if (wanted) step.inbox.put(arrived);
    if (step && final) this.line.finishFirst();
    this.goOn();
  }

  /** Take the error of a step, or of the stream itself. */
  error(message: ErrorMessage): void {
    const error = errorFromWire(message);
    if (message.seq != null) {
      if (this.isNew(message.seq, message.seq) && this.line.reach(message.step ?? 0)) {
        this.line.failFirst(error, message.expected_step ?? undefined);
      }
    } else if (error instanceof UnknownStream) {
      this.end(error);
    } else {
      this.line.refuse(message.step, error);
    }
    this.goOn();
  }

  /** Take note of results that were dropped; which steps ended with them is told by what comes next. */
  gap({ from, to }: Gap): void {
    const before = this.sequence.last;
    if (!this.isNew(from, to)) return;
    this.sequence.dropped += to - before;
    this.goOn();
  }

  /** Let everything fail that is unfinished; nothing can be asked any more. */
  end(error: TidegateError): void {
    if (this.ended) return;
    this.ended = error;
    this.attached = false;
    this.line.end(error);
    for (const errand of this.asked.splice(0)) {
      if (errand.phase === "sent") errand.waiter.reject(error);
      errand.finish();
    }
  }

  // Connections come and go.

  /** The connection is gone. */
  cut(): void {
    this.attached = false;
    this.line.cut(this.asked.splice(0));
  }

  /** Take note of where the stream stands on the new connection. */
  resumed(message: ResumedStream): void {
    if (message.seq < this.sequence.last)
      return this.break(`it has given out ${message.seq} results, and ${this.sequence.last} came`);
    this.attached = true;
    this.acceptedBelow = message.next_step;
    this.replayTo = message.seq;
    this.grant();
    for (const step of this.line.sent) if (step.stopping && step.number < message.next_step) this.tellCancel(step);
    this.goOn();
  }

  private isNew(first: number, last: number): boolean {
    const isNew = this.sequence.take(first, last);
    if (isNew === undefined) this.break(`result ${first} came after result ${this.sequence.last}`);
    return isNew ?? false;
  }

  private break(why: string): void {
    this.end(new ConnectionLost(`the gateway lost count of a stream of '${this.model}': ${why}`, true));
  }

  /** Do what may have become possible. */
  private goOn(): void {
    this.line.tellRefusals();
    if (this.replayTo !== undefined && this.sequence.last >= this.replayTo) {
      this.replayTo = undefined;
      this.line.sendAgain(this.acceptedBelow);
    }
    this.grantIfDue();
  }

  private tellCancel(step: Step): void {
    if (this.attached) this.desk.out.push({ op: "cancel", stream: this.name, step: step.number });
  }

  private grantIfDue(): void {
    const told = this.attached ? this.sequence.due() : undefined;
    if (told) this.desk.out.push({ op: "credit", stream: this.name, ...told });
  }
}
