/**
 * Which requests there are, where each one is, and its one outcome. Pure; it knows no connection.
 *
 * 1. Every request that was added gets exactly one outcome, except one that was abandoned: nobody waits for that one.
 * 2. A request that is at the gateway keeps its place there until it is answered or the connection is cut, even when this
 *    client has given it up: the gateway counts it, too.
 * 3. Requests are sent in the order in which they came; those that are sent again come first, in their old order.
 */

import { Awaited, GRACE_MS, type Memory, type Waiter } from "./awaited.js";
import type { Clock } from "./clock.js";
import type { Payload, Received } from "./codec.js";
import { ConnectionLost, Overloaded, type TidegateError } from "./errors.js";
import type { ClientMessage } from "./messages.js";

/** A request that kills its server, or the way there, must not do so for ever. */
const MAX_SENDS = 3;

/** Something with one id and one answer: an inference with its tensors, or a question without. */
export class Request extends Awaited {
  sends = 0;

  constructor(
    clock: Clock,
    timeout: number,
    readonly message: ClientMessage & { readonly id: number },
    readonly waiter: Waiter<Received>,
    readonly payload?: Payload,
    /** Whether a question is asked again after a cut. */
    readonly repeatable = false,
  ) {
    super(clock, timeout);
  }
}

export class Ledger {
  waiting = new Map<number, Request>();
  readonly sent = new Map<number, Request>();
  readonly questions = new Map<number, Request>();

  constructor(
    private readonly memory: Memory,
    private readonly maxPending: number,
  ) {}

  /** Let a request wait for its turn. Raises Overloaded if too many wait already. */
  add(request: Request): void {
    if (this.waiting.size >= this.maxPending) {
      throw new Overloaded(`${this.waiting.size} requests wait here already (option maxPending)`);
    }
    this.waiting.set(request.message.id, request);
  }

  ask(question: Request): void {
    this.questions.set(question.message.id, question);
  }

  /** Return the first request that waits, if there is memory for its message. */
  next(now: number): Request | undefined {
    for (const request of this.waiting.values()) {
      if (request.deadline > now) return this.memory.hasRoom(request.payload!.nbytes) ? request : undefined;
      this.fail(request, request.tooLate("it waited for its turn"));
    }
    return undefined;
  }

  markSent(request: Request): void {
    this.waiting.delete(request.message.id);
    this.sent.set(request.message.id, request);
    this.memory.count(request.payload!.nbytes);
    request.phase = "sent";
    request.sends++;
    request.expires = request.deadline + GRACE_MS;
  }

  /** Return what this id belongs to, and has an answer now. */
  find(id: unknown): Request | undefined {
    return this.sent.get(id as number) ?? this.questions.get(id as number);
  }

  settle(request: Request, answer: Received): void {
    if (request.phase !== "abandoned") request.waiter.resolve(answer);
    this.remove(request);
  }

  fail(request: Request, error: TidegateError): void {
    if (request.phase !== "abandoned") request.waiter.reject(error);
    this.remove(request);
  }

  /** Forget a request that nobody waits for any more. Return whether to tell the gateway. */
  abandon(request: Request): boolean {
    const tell = request.phase === "sent" && this.sent.has(request.message.id);
    if (tell) request.phase = "abandoned";
    else if (request.phase !== "abandoned") this.remove(request);
    return tell;
  }

  /** Give up what has run out of time; `connection` says where that is. Return whether to tell the gateway. */
  expire(request: Request, connection: string): boolean {
    if (request.phase === "abandoned") return false;
    request.waiter.reject(
      request.tooLate(request.phase === "sent" ? "the gateway did not answer" : `it was not sent; ${connection}`),
    );
    return this.abandon(request);
  }

  /** The connection is gone: put back what may be sent again, and end the rest. */
  cut(reason: string, isPure: (request: Request) => boolean): void {
    const lost = (request: Request, maybe: boolean): void =>
      this.fail(request, new ConnectionLost(`connection lost: ${reason}`, maybe));
    const isAgain = (request: Request): boolean => request.phase === "sent" && request.sends < MAX_SENDS && isPure(request);
    this.putBack(...[...this.sent.values()].filter(isAgain));
    for (const request of this.sent.values()) lost(request, true);
    for (const question of [...this.questions.values()]) {
      if (question.phase === "sent" && !question.repeatable) lost(question, false);
      else question.phase = "waiting";
    }
  }

  /** Let requests wait again, before the others. */
  putBack(...requests: Request[]): void {
    for (const request of requests) {
      this.sent.delete(request.message.id);
      this.memory.count(-request.payload!.nbytes);
      request.phase = "waiting";
      request.expires = request.deadline;
    }
    this.waiting = new Map([...requests.map((request) => [request.message.id, request] as const), ...this.waiting]);
  }

  /** End everything. */
  end(reason: string): void {
    for (const request of [...this.sent.values(), ...this.waiting.values(), ...this.questions.values()]) {
      this.fail(request, new ConnectionLost(reason, this.sent.has(request.message.id)));
    }
  }

  private remove(request: Request): void {
    const id = request.message.id;
    request.finish();
    if (this.sent.delete(id)) this.memory.count(-request.payload!.nbytes);
    this.waiting.delete(id);
    this.questions.delete(id);
  }
}
