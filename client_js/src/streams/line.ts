/**
 * The steps of one stream in order: those at the gateway, and those that wait here. Pure; it knows no messages.
 *
 * 1. Every step that was added gets one last outcome, unless it was given up.
 * 2. Steps are sent in the order in which they were added, no more at a time than the gateway lets wait. After a cut, those
 *    that it has not accepted are sent again, before the others.
 * 3. No step runs on a state that its sender did not mean: when one fails, or is given up before it is sent, those that were
 *    added behind it meanwhile fail as well. As long as it is open whether one that was given up was done, none is sent.
 *
 * A step has its number when it is sent, so that after a failure the next one has the number that the gateway expects. So that
 * an answer to a number is never taken for another step's, none is sent while those behind a failed one have no answer yet.
 */

import { GRACE_MS } from "../awaited.js";
import { Cancelled, type TidegateError, UnexpectedStep } from "../errors.js";
import { type Desk, type Entry, Errand, type Outcome, Step } from "./requests.js";

export class StreamLine {
  /** Steps that are at the gateway, by number. */
  sent: Step[] = [];
  /** The number of the next step that is sent for the first time. */
  nextStep = 1;
  /** How many steps the gateway lets wait. */
  mostSteps = 1;
  private again: Step[] = []; // those in `sent` that have to be sent again
  private waiting: Entry[] = [];
  private idle: (() => void)[] = [];
  private added = 0;
  private doubtful = 0; // steps in `sent` that were given up or refused
  private failing = 0; // a step failed, and some behind it have no answer: those added before this place will fail, too

  constructor(private readonly desk: Desk) {}

  /** Take note of what the gateway expects. */
  begin(nextStep: number, mostSteps: number): void {
    this.nextStep = nextStep;
    this.mostSteps = Math.max(1, mostSteps);
  }

  // Coming in and going out.

  add(entry: Entry): void {
    entry.order = ++this.added;
    this.waiting.push(entry);
    if (entry instanceof Step) this.desk.waiting++;
  }

  /** Take an errand out that was not sent. */
  forget(errand: Errand): void {
    this.waiting = this.waiting.filter((entry) => entry !== errand);
  }

  /** Return what may be sent now, if anything. */
  next(): Entry | undefined {
    if (this.again.length) return this.again[0];
    const head = this.waiting[0];
    const blocked = this.failing || this.doubtful || this.sent.length >= this.mostSteps;
    return blocked && head instanceof Step ? undefined : head;
  }

  /** Take note that what `next` returned was handed to the network. */
  markSent(entry: Entry): void {
    if (this.again.shift()) return;
    this.waiting.shift();
    entry.phase = "sent";
    if (entry instanceof Step) {
      entry.number = this.nextStep++;
      entry.expires = entry.deadline + GRACE_MS;
      this.sent.push(entry);
      this.desk.waiting--;
      this.desk.inFlight++;
      this.desk.count(entry.payload.nbytes);
    }
  }

  // What the gateway said.

  /** Return the step of this number, if it is unfinished; something of it came, so those before it have ended. */
  reach(number: number): Step | undefined {
    while (this.sent[0] && this.sent[0].number < number) {
      if (this.sent[0].refusal) this.tellRefusals();
      else this.settle(this.sent.shift()!, "missed");
    }
    return this.sent[0]?.number === number ? this.sent[0] : undefined;
  }

  /** End the first step, which has had all its results. */
  finishFirst(): void {
    this.finish(this.sent.shift()!);
  }

  /** End the first step with an error; the gateway expects `expected` next, or the same number again. */
  failFirst(error: TidegateError, expected: number | undefined): void {
    const step = this.sent.shift()!;
    if (!this.failing) {
      this.failing = Math.min(step.cutoff, this.added + 1);
      this.nextStep = expected ?? step.number;
    }
    this.settle(step, step.stopping && error instanceof UnexpectedStep ? notRun() : error);
  }

  /** Take note that the gateway has not accepted a step; that is told when the steps before it have ended. */
  refuse(number: number | undefined, error: TidegateError): void {
    for (const step of this.sent) {
      if (step.number !== number || step.refusal) continue;
      if (step.phase !== "abandoned") this.doubtful++;
      step.refusal = error;
    }
    this.tellRefusals();
  }

  /** Tell the refusals whose place has come. */
  tellRefusals(): void {
    for (let refusal; (refusal = this.sent[0]?.refusal);) {
      this.failFirst(refusal, refusal instanceof UnexpectedStep ? refusal.expectedStep : undefined);
    }
  }

  // What the program gives up.

  /** Give a step up; its inbox is told why, if there is a reason. Return whether the gateway has to be told. */
  giveUp(step: Step, error: TidegateError | undefined): boolean {
    if (step.phase === "waiting") {
      this.waiting = this.waiting.filter((entry) => entry !== step);
      this.settle(step, error);
      this.failWaiting(step.order, Infinity);
    } else if (this.again.includes(step)) {
      this.unsend(step, error);
    } else if (step.phase === "sent") {
      if (error) step.inbox.put(error);
      if (!step.refusal) this.doubtful++;
      step.phase = "abandoned";
      step.stopping = true;
      step.cutoff = this.added + 1;
      return true;
    }
    return false;
  }

  /** End the steps that are not at the gateway; return the others, which have to be cancelled there. */
  cancel(): Step[] {
    const steps = this.waiting.filter((entry) => entry instanceof Step);
    this.waiting = this.waiting.filter((entry) => entry instanceof Errand);
    for (const step of this.again) step.stopping = true;
    if (this.again[0]) this.unsend(this.again[0], notRun());
    for (const step of steps) this.settle(step, notRun());
    const stopped = this.sent.filter((step) => step.phase === "sent");
    for (const step of stopped) step.stopping = true;
    return stopped;
  }

  /** Call something as soon as no step is unfinished. */
  whenIdle(then: () => void): void {
    this.idle.push(then);
    this.checkIdle();
  }

  // Connections come and go.

  /** The connection is gone: errands that were at the gateway wait again, before everything else. */
  cut(asked: readonly Errand[]): void {
    this.again = [];
    this.waiting.unshift(...asked.filter((errand) => errand.phase === "sent"));
    for (const entry of this.waiting) entry.phase = "waiting";
  }

  /** Let the steps be sent again that have no answer, from this number on. */
  sendAgain(acceptedBelow: number): void {
    for (const step of this.sent) {
      if (step.number < acceptedBelow || step.refusal) continue;
      if (step.stopping) return this.unsend(step, notRun());
      this.again.push(step);
    }
  }

  /** Let everything fail. */
  end(error: TidegateError): void {
    const entries = [...this.sent, ...this.waiting];
    this.sent = [];
    this.waiting = [];
    this.again = [];
    for (const entry of entries) {
      if (entry instanceof Step) {
        this.settle(entry, error);
      } else {
        entry.finish();
        entry.waiter.reject(error);
      }
    }
    this.checkIdle();
  }

  /** Take back a step that the gateway has not accepted, and those behind it. */
  private unsend(first: Step, error: TidegateError | undefined): void {
    const behind = this.sent.filter((step) => step.number > first.number);
    this.sent = this.sent.filter((step) => step.number < first.number);
    this.again = this.again.filter((step) => step.number < first.number);
    if (!this.failing) this.nextStep = first.number;
    this.settle(first, error);
    for (const step of behind) this.settle(step, step.stopping ? notRun() : this.unexpected());
    this.failWaiting(0, first.cutoff);
  }

  /** End the steps that wait and were added between two places. */
  private failWaiting(after: number, before: number): void {
    const isFailed = (entry: Entry): entry is Step => entry instanceof Step && after < entry.order && entry.order < before;
    const failed = this.waiting.filter(isFailed);
    if (failed.length) this.waiting = this.waiting.filter((entry) => !isFailed(entry));
    for (const step of failed) this.settle(step, this.unexpected());
  }

  private unexpected(): UnexpectedStep {
    return new UnexpectedStep("not done: a step before it failed or was given up", { expectedStep: this.nextStep });
  }

  private settle(step: Step, outcome: Outcome | undefined): void {
    if (outcome && step.phase !== "abandoned") step.inbox.put(outcome);
    this.finish(step);
  }

  private finish(step: Step): void {
    if (step.phase === "waiting") {
      this.desk.waiting--;
    } else {
      this.desk.inFlight--;
      this.doubtful -= Number(step.phase === "abandoned" || step.refusal !== undefined);
      this.desk.count(-step.payload.nbytes);
    }
    step.finish();
    if (!this.sent.length) {
      const before = this.failing;
      this.failing = 0;
      if (before) this.failWaiting(0, before);
      this.checkIdle();
    }
  }

  private checkIdle(): void {
    if (!this.idle.length || this.sent.length || this.waiting.some((entry) => entry instanceof Step)) return;
    for (const then of this.idle.splice(0)) then();
  }
}

function notRun(): Cancelled {
  return new Cancelled("cancelled before it ran");
}
