/**
 * One client's requests and streams, over any number of connections one after the other. It knows no WebSocket and no timer:
 * both are given to it.
 *
 * Whatever the gateway and the network do: no more than `in_flight` requests are at the gateway, and after a cut a request is
 * sent again only if it was certainly not executed or its model is pure. `ledger.ts` and `streams/log.ts` promise the rest.
 */

import { Memory } from "./awaited.js";
import type { Clock } from "./clock.js";
import {
  type Data,
  Payload,
  read,
  type Received,
  type Tensors,
  type TextData,
  type Unreadable,
  within,
  write,
} from "./codec.js";
import { ConnectionLost, errorFromWire, type TidegateError } from "./errors.js";
import { Ledger, Request } from "./ledger.js";
import type { Dial } from "./link.js";
import { type ClientMessage, CORE, type ErrorMessage, type Hello } from "./messages.js";
import type { Options } from "./options.js";
import { describe, type State } from "./states.js";
import type { Side, StreamSide } from "./sides.js";
import { Uplink, type Upstream } from "./uplink.js";

/** What a session is given: the network, the time, and chance. */
export interface World {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: () => number;
  /** Calls something whenever it is worth trying again at once; returns what ends that. */
  readonly onReturn?: (then: () => void) => () => void;
  /** For the form `text`: what reads and writes tensors as JSON. */
  readonly text?: TextData;
}

/** The parts of a session that may come later, in the order in which they are told: what resumes streams is sent first. */
interface Sides {
  streams: StreamSide | undefined;
  topics: Side | undefined;
}

export class Session implements Upstream {
  readonly ledger: Ledger;
  readonly memory: Memory;
  private readonly sides: Sides = { streams: undefined, topics: undefined };
  private checks = CORE;
  private readonly uplink: Uplink;
  private ids = 0;

  constructor(
    readonly options: Options,
    private readonly world: World,
    private readonly isPure: (request: Request) => boolean,
    private readonly onGreeted: () => void,
  ) {
    this.memory = new Memory(options.maxBufferBytes);
    this.ledger = new Ledger(this.memory, options.maxPending);
    this.uplink = new Uplink(world.dial, options, world.clock, world.random, this, world.onReturn);
  }

  get state(): State {
    return this.uplink.state;
  }

  /** Return an id that was never used. */
  nextId(): number {
    return ++this.ids;
  }

  get clock(): Clock {
    return this.world.clock;
  }

  connect(): void {
    this.uplink.connect();
  }

  close(): Promise<void> {
    return this.uplink.close();
  }

  // What the program wants.

  /** Send a request with tensors and wait for its answer. */
  infer(message: ClientMessage, payload: Payload, timeout: number, signal?: AbortSignal): Promise<Received> {
    return this.exchange((waiter) => {
      const request = new Request(this.clock, timeout, { ...message, id: this.nextId() }, waiter, payload);
      this.ledger.add(request);
      return request;
    }, signal);
  }

  /** Ask a small question and wait for its answer. */
  ask(op: "models" | "ping", timeout: number, repeatable: boolean): Promise<Received> {
    return this.exchange((waiter) => {
      const question = new Request(this.clock, timeout, { op, id: this.nextId() }, waiter, undefined, repeatable);
      this.ledger.ask(question);
      if (this.uplink.hello) this.sendQuestion(question);
      return question;
    });
  }

  /** Let something be a part of this session from now on. */
  attach<Name extends keyof Sides>(name: Name, side: Sides[Name] & Side): void {
    this.sides[name] = side;
    this.checks = { ...this.checks, ...side.checks };
    if (this.uplink.hello) side.greeted(this.uplink.hello);
    if (this.state.status === "closed") side.end(this.state.reason);
  }

  /** Make of tensors what is sent with a message. */
  payload(tensors: Tensors): Payload {
    return new Payload(tensors, this.options.form, this.world.text);
  }

  /** Raise ConnectionLost if the connection is closed. */
  checkOpen(): void {
    if (this.state.status === "closed") throw new ConnectionLost(describe(this.state));
  }

  private exchange(
    begin: (waiter: { resolve(answer: Received): void; reject(error: unknown): void }) => Request,
    signal?: AbortSignal,
  ) {
    return new Promise<Received>((resolve, reject) => {
      signal?.throwIfAborted();
      this.checkOpen();
      const done = (): void => signal?.removeEventListener("abort", abort);
      const request = begin({
        resolve: (answer) => (done(), resolve(answer)),
        reject: (error) => (done(), reject(error as Error)),
      });
      const abort = (): void => {
        reject(signal!.reason as Error);
        if (this.ledger.abandon(request)) this.sendCancel(request);
        this.flush();
      };
      signal?.addEventListener("abort", abort, { once: true });
      request.watch(() => {
        if (this.ledger.expire(request, describe(this.state)) && request.payload) this.sendCancel(request);
      });
      this.flush();
    });
  }

  // What happens on the network.

  greeted(hello: Hello): void {
    this.each((side) => side.greeted(hello));
    this.sendOut(); // what resumes streams must be the first message
    for (const question of this.ledger.questions.values()) this.sendQuestion(question);
    this.onGreeted();
  }

  read(data: Data): Received {
    return read(data, this.checks, this.world.text);
  }

  receive(received: Received): void {
    const message = received.message!;
    if (message.op === "error") return this.receiveError(message);
    if (message.op === "result" && message.stream != null) return this.sides.streams?.result({ ...received, message });
    if (message.op === "result" || message.op === "models" || message.op === "pong") {
      const request = this.ledger.find(message.id);
      if (request) this.ledger.settle(request, received);
      return undefined;
    }
    return this.each((side) => side.other(message, received.tensors));
  }

  unreadable({ error, id }: Unreadable): boolean {
    const request = this.ledger.find(id);
    if (request) this.ledger.fail(request, error);
    else this.sides.streams?.unreadable();
    return request !== undefined;
  }

  cut(reason: string): void {
    this.ledger.cut(reason, this.isPure);
    this.each((side) => side.cut());
  }

  ended(reason: string): void {
    this.ledger.end(reason);
    this.each((side) => side.end(reason));
  }

  /** Send as much as may be sent: small messages, then steps, then requests. */
  flush(): void {
    const { hello, state } = this.uplink;
    if (!hello) return;
    this.sendOut();
    const mayBegin = state.status === "open";
    const { streams } = this.sides;
    const limit = hello.limits[this.options.form === "text" ? "text_bytes" : "message_bytes"];
    let data;
    while (this.uplink.room > 0 && (data = streams?.next(limit, mayBegin))) this.uplink.send(data);
    let request;
    while (
      mayBegin &&
      this.uplink.room > 0 &&
      this.ledger.sent.size < hello.limits.in_flight &&
      (request = this.ledger.next(this.clock.now()))
    ) {
      this.sendRequest(request, limit);
    }
    if (this.uplink.room <= 0) this.uplink.wait();
    const idle = !this.ledger.sent.size && !streams?.openCount;
    if (state.status === "draining" && idle) this.uplink.leave();
  }

  private receiveError(message: ErrorMessage): void {
    const draining = this.state.status === "draining";
    if (Object.values(this.sides).some((side?: Side) => side?.error(message, draining))) return;
    const request = this.ledger.find(message.id);
    if (!request) return;
    // It crossed the goaway on its way: not executed, so it goes to the next gateway.
    const crossed = message.code === "shutting_down" && draining && request.payload && request.phase === "sent";
    if (crossed) this.ledger.putBack(request);
    else this.ledger.fail(request, errorFromWire(message));
  }

  private sendRequest(request: Request, limit: number): void {
    try {
      const data = within(limit, request.payload!.write({ ...request.message, timeout_ms: request.leftMs }));
      this.ledger.markSent(request);
      this.uplink.send(data);
    } catch (error) {
      this.ledger.fail(request, error as TidegateError);
    }
  }

  private sendQuestion(question: Request): void {
    question.phase = "sent";
    // A list of models has no size limit as text; as the header of a binary message it would have one.
    this.send(question.message, question.message.op === "models" ? "text" : undefined);
  }

  private sendCancel(request: Request): void {
    this.send({ op: "cancel", id: request.message.id });
  }

  private sendOut(): void {
    this.each((side) => side.takeOut().forEach((message) => this.send(message)));
  }

  private send(message: ClientMessage, form = this.options.form): void {
    if (this.uplink.hello) this.uplink.send(write(message, form));
  }

  private each(tell: (side: Side) => void): void {
    for (const side of Object.values(this.sides) as (Side | undefined)[]) if (side) tell(side);
  }
}
