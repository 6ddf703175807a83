/** What a session asks of its streams. They come as a module of their own, which is loaded when the first one is opened. */

import type { Received, Tensors } from "./codec.js";
import type { ClientMessage, ErrorMessage, Hello, ResultMessage, ServerMessage } from "./messages.js";

/** A result that came for a step. */
export interface Arrived extends Received {
  readonly message: ResultMessage;
}

export interface StreamSide {
  /** How many streams are open. */
  readonly openCount: number;
  /** A connection was opened: go on where the last one ended, before anything else is sent. */
  greeted(hello: Hello): void;
  /** The connection is gone. */
  cut(): void;
  /** There will be none any more. */
  end(reason: string): void;
  /** Return the small messages to be sent, in order. */
  takeOut(): ClientMessage[];
  /** Return the next message to send, if there is one that may be sent now. */
  next(limit: number, mayOpen: boolean): ArrayBuffer | undefined;
  result(arrived: Arrived): void;
  /** Take an error; return whether it was about a stream. `draining` after a goaway. */
  error(message: ErrorMessage, draining: boolean): boolean;
  /** Take any other message; one that is not about streams is ignored. */
  other(message: ServerMessage, tensors: Tensors): void;
  /** Take note of a message that could not be read and may have been a stream's. */
  unreadable(): void;
}
