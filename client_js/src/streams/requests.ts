/** What is asked of streams: steps, and errands such as to open one or to hand over its state. It knows no stream's history. */

import { Awaited, type Waiter } from "../awaited.js";
import type { Clock } from "../clock.js";
import type { Data, Payload, Tensors } from "../codec.js";
import type { TidegateError } from "../errors.js";
import type { ClientMessage, Scalar } from "../messages.js";
import type { Arrived } from "../sides.js";
import type { StreamLog } from "./log.js";

/** What a step can be told: a result, that it ended and its result was dropped, or an error. */
export type Outcome = Arrived | "missed" | TidegateError;

/** Who takes the outcomes of steps. */
export interface Inbox {
  put(outcome: Outcome): void;
}

/** One step of a stream. */
export class Step extends Awaited {
  /** Its number on the wire; 0 until it is sent, then never another one. */
  number = 0;
  /** Its place among everything that was asked of the stream. */
  order = 0;
  /** Whether the gateway was, or will be, asked to cancel it. */
  stopping = false;
  /** Steps that were added before this place were meant to follow it. */
  cutoff = Infinity;
  /** Why the gateway did not accept it; told when the steps before it have ended. */
  refusal: TidegateError | undefined;

  constructor(
    clock: Clock,
    timeout: number,
    readonly log: StreamLog,
    readonly inbox: Inbox,
    readonly payload: Payload,
    private readonly parameters: Readonly<Record<string, Scalar>> | undefined,
  ) {
    super(clock, timeout);
  }

  write(): Data {
    const step = this.number || this.log.line.nextStep;
    return this.payload.write({
      op: "step",
      stream: this.log.name,
      step,
      timeout_ms: this.leftMs,
      ...(this.parameters && { parameters: this.parameters }),
    });
  }
}

/** Something that is asked about a stream, in its place among the steps. */
export class Errand extends Awaited {
  order = 0;

  constructor(
    clock: Clock,
    timeout: number,
    readonly id: number,
    /** The stream that it is asked of. */
    readonly log: StreamLog,
    /** The stream that comes to be by it. */
    readonly made: StreamLog | undefined,
    readonly waiter: Waiter<Tensors>,
    /** Writes the message; a stream may have another name each time. */
    readonly write: () => Data,
  ) {
    super(clock, timeout);
  }
}

export type Entry = Step | Errand;

/** What the streams of one client share. */
export interface Desk {
  /** Small messages to be sent, in order. */
  out: ClientMessage[];
  /** How many steps wait to be sent, and how many are at the gateway. */
  waiting: number;
  inFlight: number;
  /** Give memory to a step's message, or take it back. */
  count(bytes: number): void;
}
