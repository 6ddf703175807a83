/** What streams, their steps and generations may be given beside what they work on. */

import type { Value } from "../inputs.js";
import type { Overflow } from "../messages.js";

/** What a stream is opened with. */
export interface StreamOptions {
  /** A version of the model, instead of the one that the gateway would choose. */
  readonly version?: string;
  /** The outputs that are wanted, instead of those that are no state. */
  readonly outputs?: readonly string[];
  /** What happens to results that are not taken in time: `block` lets the model wait, the others drop some. @default "block" */
  readonly overflow?: Overflow;
  /** How many results may lie here and wait to be taken. @default 256 */
  readonly window?: number;
  /** Time limit of the opening and of each step, in milliseconds, instead of the connection's. */
  readonly timeout?: number;
  /** −8 … 0; a larger one is served first. */
  readonly priority?: number;
  /** A topic at which its results are told to whoever has subscribed to it. */
  readonly publish?: string;
  /** A state to begin with, from `snapshot` of the same model; then there are no constants to give. */
  readonly snapshot?: Uint8Array;
}

export interface StepOptions {
  readonly timeout?: number;
  /** Gives the step up: it is not run, or if it is too late for that, its result is thrown away. */
  readonly signal?: AbortSignal;
}

export interface GenerateOptions {
  /** Token ids to go on from. */
  readonly prompt: Value;
  /** Most tokens to make; at most, and if not given, what the model allows. */
  readonly maxSteps?: number;
  /** 0 for the most likely token each time; if not given, 1 with one of the next three and else 0. */
  readonly temperature?: number;
  /** How many of the most likely tokens are chosen from. */
  readonly topK?: number;
  /** Share of the probability that the tokens to choose from have together. */
  readonly topP?: number;
  /** Of the random numbers: the same one gives the same tokens. */
  readonly seed?: number;
  /** Time limit of the whole, in milliseconds. */
  readonly timeout?: number;
  /** Ends the generation after the token that is being made. */
  readonly signal?: AbortSignal;
}

export interface RunOptions {
  /** Time limit of each step, in milliseconds. */
  readonly timeout?: number;
  /** Draws no more chunks; what was begun still has its results. */
  readonly signal?: AbortSignal;
}

export interface PipeOptions extends RunOptions {
  /** The input that a chunk is. */
  readonly inputName?: string;
}
