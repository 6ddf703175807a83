/**
 * Every error that a program can meet, in one tree: the same classes, codes and fields as the Python SDK has.
 *
 * It knows wire codes and nothing else.
 */

/** What the gateway says of an error beside its code and its message. */
export interface ErrorDetails {
  /** The place in the request that is at fault, such as `inputs[0].shape`. */
  readonly param?: string | undefined;
  /** What would have been right there. */
  readonly expected?: string | undefined;
  /** When it is worth trying again, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** Base of all errors. */
export class TidegateError extends Error {
  /** Stable name of the error on the wire. */
  get code(): string {
    return "error";
  }

  /** Whether the same request may succeed when it is sent again. */
  get retryable(): boolean {
    return false;
  }

  readonly param: string | undefined;
  readonly expected: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message);
    this.param = details.param;
    this.expected = details.expected;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** The name of the class; made from the code, since a bundler may shorten that of the class. */
  override get name(): string {
    return this.code.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
  }
}

/** The bytes are not a message of the protocol. */
export class InvalidMessage extends TidegateError {
  override get code() {
    return "invalid_message" as const;
  }
}
/** A tensor or a parameter is not what the model or the protocol expects. */
export class InvalidInput extends TidegateError {
  override get code() {
    return "invalid_input" as const;
  }
}
/** A message or an answer is beyond a limit. */
export class TooLarge extends TidegateError {
  override get code() {
    return "too_large" as const;
  }
}
/** The id belongs to a request that is still running. */
export class DuplicateId extends TidegateError {
  override get code() {
    return "duplicate_id" as const;
  }
}
/** No such model or version is served. */
export class UnknownModel extends TidegateError {
  override get code() {
    return "unknown_model" as const;
  }
}
/** The model is known and could not be loaded. */
export class ModelUnavailable extends TidegateError {
  override get code() {
    return "model_unavailable" as const;
  }
}
/** Refused, by the gateway or here, and certainly not executed. */
export class Overloaded extends TidegateError {
  override get code() {
    return "overloaded" as const;
  }
  override get retryable() {
    return true;
  }
}
/** The gateway is stopping; not executed. */
export class ShuttingDown extends TidegateError {
  override get code() {
    return "shutting_down" as const;
  }
  override get retryable() {
    return true;
  }
}
/** The time limit passed before the answer was there. */
export class DeadlineExceeded extends TidegateError {
  override get code() {
    return "deadline_exceeded" as const;
  }
}
/** It was cancelled. */
export class Cancelled extends TidegateError {
  override get code() {
    return "cancelled" as const;
  }
  /** `removed`: it never ran. `dropped`: it was running, and its result is thrown away. */
  readonly outcome: CancelOutcome;

  constructor(message: string, outcome: CancelOutcome = "removed") {
    super(message);
    this.outcome = outcome;
  }
}
/** The model ran on this input and failed. */
export class ModelFailed extends TidegateError {
  override get code() {
    return "model_failed" as const;
  }
}
/** The gateway does not let this client do that. */
export class Forbidden extends TidegateError {
  override get code() {
    return "forbidden" as const;
  }
}
/** No stream of that name is open. */
export class UnknownStream extends TidegateError {
  override get code() {
    return "unknown_stream" as const;
  }
}
/** A stream of that name is open already. */
export class DuplicateStream extends TidegateError {
  override get code() {
    return "duplicate_stream" as const;
  }
}
/** Not the step that was to come: one before it failed or was given up. It was not run. */
export class UnexpectedStep extends TidegateError {
  override get code() {
    return "unexpected_step" as const;
  }
  /** The number that the stream's next step must have. */
  readonly expectedStep: number | undefined;

  constructor(message: string, details: ErrorDetails & { readonly expectedStep?: number | undefined } = {}) {
    super(message, details);
    this.expectedStep = details.expectedStep;
  }
}
/** A step of that number came before, with other content. */
export class StepConflict extends TidegateError {
  override get code() {
    return "step_conflict" as const;
  }
}
/** The gateway does not have the stream any more. */
export class ResumeFailed extends TidegateError {
  override get code() {
    return "resume_failed" as const;
  }
  /** The streams that are gone, by their names on the wire. */
  readonly lost: readonly (number | string)[];

  constructor(message: string, details: ErrorDetails & { readonly lost?: WireError["lost"] } = {}) {
    super(message, details);
    this.lost = details.lost ?? [];
  }
}
/** A defect of the gateway; its log says more. */
export class InternalError extends TidegateError {
  override get code() {
    return "internal" as const;
  }
}
/** The connection went away before an answer came. */
export class ConnectionLost extends TidegateError {
  override get code() {
    return "connection_lost" as const;
  }
  override get retryable() {
    return true;
  }
  /** Whether the request may have run. */
  readonly maybeExecuted: boolean;

  constructor(message: string, maybeExecuted = false) {
    super(message);
    this.maybeExecuted = maybeExecuted;
  }
}
/** A code that this version does not know; `code` and `retryable` are the gateway's. */
export class UnrecognisedError extends TidegateError {
  constructor(
    message: string,
    private readonly wire: WireError,
    details?: ErrorDetails,
  ) {
    super(message, details);
  }

  override get code(): string {
    return this.wire.code;
  }

  override get retryable(): boolean {
    return this.wire.retryable;
  }
}

/** What became of cancelled work. */
export type CancelOutcome = "removed" | "dropped";

/** An error as the wire describes it. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly param?: string;
  readonly expected?: string;
  readonly retry_after_ms?: number;
  readonly outcome?: CancelOutcome;
  readonly expected_step?: number;
  readonly lost?: readonly (number | string)[] | undefined;
}

const BY_CODE = new Map(
  [
    InvalidMessage,
    InvalidInput,
    TooLarge,
    DuplicateId,
    UnknownModel,
    ModelUnavailable,
    Overloaded,
    ShuttingDown,
    DeadlineExceeded,
    ModelFailed,
    Forbidden,
    UnknownStream,
    DuplicateStream,
    UnexpectedStep,
    StepConflict,
    ResumeFailed,
    InternalError,
  ].map((type): [string, new (message: string, details: ErrorDetails) => TidegateError] => [type.prototype.code, type]),
);

/** Make the error that a program can catch by its class. */
export function errorFromWire(wire: WireError): TidegateError {
  const { code, message } = wire;
  const { param, expected, retry_after_ms: retryAfterMs, expected_step: expectedStep, lost } = wire;
  const details = { param, expected, retryAfterMs, expectedStep, lost };
  if (code === "cancelled") return new Cancelled(message, wire.outcome ?? "dropped");
  const known = BY_CODE.get(code);
  return known ? new known(message, details) : new UnrecognisedError(message, wire, details);
}
