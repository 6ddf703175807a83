/** What a program gets: the outputs of a model, and what they cost. */

import type { Received } from "./codec.js";
import type { WireTiming } from "./messages.js";
import type { Arrived } from "./sides.js";
import type { Tensor } from "./tensors.js";

/** What an answer cost. */
export interface Timing {
  /** Microseconds from arrival until its batch began to run. */
  readonly queueUs: number;
  /** Microseconds that the batch ran. */
  readonly computeUs: number;
  /** Rows in the batch; 0 if nothing had to run. */
  readonly batchSize: number;
}

/** The answer to `infer`. */
export interface Result<Outputs = Record<string, Tensor>> {
  readonly model: string;
  readonly version: string;
  /** The outputs by name. */
  readonly outputs: Outputs;
  readonly timing: Timing;
}

/** What a step of a stream has made. */
export interface StreamResult<Outputs = Record<string, Tensor>> extends Result<Outputs> {
  readonly step: number;
  /** Its number in the stream. */
  readonly seq: number;
  /** Whether the step makes nothing more. */
  readonly final: boolean;
  /** Of a generation: what the model's vocabulary has for its token. */
  readonly text?: string;
  /** Why a generation ended: `stop`, `length` or `cancelled`. */
  readonly reason?: string;
}

export function timingOf(wire: WireTiming): Timing {
  return { queueUs: wire.queue_us, computeUs: wire.compute_us, batchSize: wire.batch_size };
}

export function asResult({ message, tensors }: Received): Result {
  if (message?.op !== "result") throw new TypeError("no result");
  return { model: message.model_name!, version: message.model_version!, outputs: tensors, timing: timingOf(message.timing) };
}

/** Make a result of a step; the message does not say of which model. */
export function asStreamResult({ message, tensors }: Arrived, model: string, version: string): StreamResult {
  const { step, seq, final, text, reason } = message;
  return {
    model,
    version,
    outputs: tensors,
    timing: timingOf(message.timing),
    step: step!,
    seq: seq!,
    final,
    ...(text != null && { text }),
    ...(reason != null && { reason }),
  };
}
