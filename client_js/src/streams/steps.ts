/** Steps that one call has begun, and what comes of them in order. It knows neither messages nor connections. */

import type { Tensors } from "../codec.js";
import { TidegateError } from "../errors.js";
import type { Scalar } from "../messages.js";
import { asStreamResult, type StreamResult } from "../results.js";
import type { StreamHost } from "./host.js";
import type { StreamLog } from "./log.js";
import { type Inbox, type Outcome, Step } from "./requests.js";

/** The steps of one call of `step`, `run` or `generate`. The window of the stream bounds what lies here. */
export class Steps implements Inbox {
  /** How many were begun, and their ends were not taken yet. */
  ahead = 0;
  /** Whether one of them has failed: those that would be begun now were not meant to follow. */
  failed = false;
  private outcomes: Outcome[] = [];
  private begun: Step[] = [];
  private wakeUp: (() => void) | undefined;

  constructor(
    private readonly host: StreamHost,
    private readonly log: StreamLog,
  ) {}

  /** Whether the last one waits here for its turn. */
  get waits(): boolean {
    return this.begun.at(-1)?.phase === "waiting";
  }

  /** Begin another one; its tensors may change as soon as this returns. Raises why that cannot be done. */
  begin(tensors: Tensors, timeout: number, parameters?: Record<string, Scalar>): void {
    this.begun = this.begun.filter((step) => step.phase !== "finished");
    const { host, log } = this;
    const payload = host.session.payload(tensors);
    const step = new Step(host.session.clock, timeout, log, this, payload, parameters);
    host.add(step);
    if (step.phase === "waiting") payload.keep();
    this.begun.push(step);
    this.ahead++;
  }

  put(outcome: Outcome): void {
    this.outcomes.push(outcome);
    this.failed ||= outcome instanceof TidegateError;
    this.wake();
  }

  /** Return the next result, if it is there; those that were dropped are passed over. Raises what a step ended with. */
  take(): StreamResult | undefined {
    for (let outcome; (outcome = this.outcomes.shift());) {
      if (outcome instanceof TidegateError || outcome === "missed") {
        this.ahead--;
        if (outcome !== "missed") throw outcome;
        continue;
      }
      this.ahead -= Number(outcome.message.final);
      this.read(1);
      return asStreamResult(outcome, this.log.model, this.log.version);
    }
    return undefined;
  }

  /** Wait for an outcome, or for `wake`. */
  change(): Promise<void> {
    return this.outcomes.length ? Promise.resolve() : new Promise((resolve) => (this.wakeUp = resolve));
  }

  /** Let who waits for a change look again. */
  wake(): void {
    this.wakeUp?.();
  }

  /** Give up what has not ended, and throw away what lies here. */
  close(): void {
    for (const step of this.begun.splice(0).reverse()) this.host.giveUp(step);
    const results = this.outcomes.splice(0).filter((outcome) => outcome !== "missed" && !(outcome instanceof TidegateError));
    if (results.length) this.read(results.length);
  }

  private read(count: number): void {
    this.log.read(count);
    this.host.session.flush();
  }
}
