/** What a session asks of its streams and subscriptions. They come as modules of their own, loaded when they are needed. */

import type { Data, Received, Tensors } from "./codec.js";
import type { Checks, ClientMessage, ErrorMessage, Hello, ResultMessage, ServerMessage } from "./messages.js";

/** A result that came for a step. */
export interface Arrived extends Received {
  readonly message: ResultMessage;
}

export interface Side {
  /** What has to be right about the messages that it takes. */
  readonly checks: Checks;
  /** A connection was opened: go on where the last one ended, before anything else is sent. */
  greeted(hello: Hello): void;
  /** The connection is gone. */
  cut(): void;
  /** There will be none any more. */
  end(reason: string): void;
  /** Return the small messages to be sent, in order. */
  takeOut(): ClientMessage[];
  /** Take an error; return whether it was meant. `draining` after a goaway. */
  error(message: ErrorMessage, draining: boolean): boolean;
  /** Take any other message; one that is not meant is ignored. */
  other(message: ServerMessage, tensors: Tensors): void;
}

export interface StreamSide extends Side {
  /** How many streams are open. */
  readonly openCount: number;
  /** Return the next message to send, if there is one that may be sent now. */
  next(limit: number, mayOpen: boolean): Data | undefined;
  result(arrived: Arrived): void;
  /** Take note of a message that could not be read and may have been a stream's. */
  unreadable(): void;
}
