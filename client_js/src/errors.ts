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
  readonly code: string = "error";
  /** Whether the same request may succeed when it is sent again. */
  readonly retryable: boolean = false;
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
  override readonly code = "invalid_message";
}
/** A tensor or a parameter is not what the model or the protocol expects. */
export class InvalidInput extends TidegateError {
  override readonly code = "invalid_input";
}
/** A message or an answer is beyond a limit. */
export class TooLarge extends TidegateError {
  override readonly code = "too_large";
}
/** The id belongs to a request that is still running. */
export class DuplicateId extends TidegateError {
  override readonly code = "duplicate_id";
}
/** No such model or version is served. */
export class UnknownModel extends TidegateError {
  override readonly code = "unknown_model";
}
/** The model is known and could not be loaded. */
export class ModelUnavailable extends TidegateError {
  override readonly code = "model_unavailable";
}
/** Refused, by the gateway or here, and certainly not executed. */
export class Overloaded extends TidegateError {
  override readonly code = "overloaded";
  override readonly retryable = true;
}
/** The gateway is stopping; not executed. */
export class ShuttingDown extends TidegateError {
  override readonly code = "shutting_down";
  override readonly retryable = true;
}
/** The time limit passed before the answer was there. */
export class DeadlineExceeded extends TidegateError {
  override readonly code = "deadline_exceeded";
}
/** It was cancelled. */
export class Cancelled extends TidegateError {
  override readonly code = "cancelled";
  /** `removed`: it never ran. `dropped`: it was running, and its result is thrown away. */
  readonly outcome: CancelOutcome;

  constructor(message: string, outcome: CancelOutcome = "removed") {
    super(message);
    this.outcome = outcome;
  }
}
/** The model ran on this input and failed. */
export class ModelFailed extends TidegateError {
  override readonly code = "model_failed";
}
/** No stream of that name is open. */
export class UnknownStream extends TidegateError {
  override readonly code = "unknown_stream";
}
/** A stream of that name is open already. */
export class DuplicateStream extends TidegateError {
  override readonly code = "duplicate_stream";
}
/** Not the step that was to come: one before it failed or was given up. It was not run. */
export class UnexpectedStep extends TidegateError {
  override readonly code = "unexpected_step";
  /** The number that the stream's next step must have. */
  readonly expectedStep: number | undefined;

  constructor(message: string, details: ErrorDetails & { readonly expectedStep?: number | undefined } = {}) {
    super(message, details);
    this.expectedStep = details.expectedStep;
  }
}
/** A step of that number came before, with other content. */
export class StepConflict extends TidegateError {
  override readonly code = "step_conflict";
}
/** The gateway does not have the stream any more. */
export class ResumeFailed extends TidegateError {
  override readonly code = "resume_failed";
}
/** A defect of the gateway; its log says more. */
export class InternalError extends TidegateError {
  override readonly code = "internal";
}
/** The connection went away before an answer came. */
export class ConnectionLost extends TidegateError {
  override readonly code = "connection_lost";
  override readonly retryable = true;
  /** Whether the request may have run. */
  readonly maybeExecuted: boolean;

  constructor(message: string, maybeExecuted = false) {
    super(message);
    this.maybeExecuted = maybeExecuted;
  }
}
/** A code that this version does not know; `code` and `retryable` are the gateway's. */
export class UnrecognisedError extends TidegateError {
  override readonly code: string;
  override readonly retryable: boolean;

  constructor(message: string, code: string, retryable: boolean, details?: ErrorDetails) {
    super(message, details);
    this.code = code;
    this.retryable = retryable;
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
}

const BY_CODE: Record<string, new (message: string, details: ErrorDetails) => TidegateError> = {
  invalid_message: InvalidMessage,
  invalid_input: InvalidInput,
  too_large: TooLarge,
  duplicate_id: DuplicateId,
  unknown_model: UnknownModel,
  model_unavailable: ModelUnavailable,
  overloaded: Overloaded,
  shutting_down: ShuttingDown,
  deadline_exceeded: DeadlineExceeded,
  model_failed: ModelFailed,
  unknown_stream: UnknownStream,
  duplicate_stream: DuplicateStream,
  unexpected_step: UnexpectedStep,
  step_conflict: StepConflict,
  resume_failed: ResumeFailed,
  internal: InternalError,
};

/** Make the error that a program can catch by its class. */
export function errorFromWire(wire: WireError): TidegateError {
  const { code, message } = wire;
  const { param, expected, retry_after_ms: retryAfterMs, expected_step: expectedStep } = wire;
  const details = { param, expected, retryAfterMs, expectedStep };
  if (code === "cancelled") return new Cancelled(message, wire.outcome ?? "dropped");
  const known = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  return known ? new known(message, details) : new UnrecognisedError(message, code, wire.retryable, details);
}
