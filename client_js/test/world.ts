/** A clock, a network and a gateway for tests: nothing happens in them but when the test lets it happen. */

import { type Data, openUp, Payload, type Tensors, tensorsOf, write } from "../src/codec.js";
import type { Clock } from "../src/clock.js";
import { Connection } from "../src/connection.js";
import * as text from "../src/json-data.js";
import type { Link, Listener } from "../src/link.js";
import type { ClientMessage, Form } from "../src/messages.js";
import { type Options, withDefaults } from "../src/options.js";
import type { State } from "../src/states.js";

export class FakeClock implements Clock {
  private time = 1000;
  private timers: { at: number; then: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.time + ms, then };
    this.timers.push(timer);
    return () => void (this.timers = this.timers.filter((each) => each !== timer));
  }

  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((each) => each !== next);
      this.time = Math.max(this.time, next.at);
      next.then();
    }
    this.time = end;
  }
}

/** One connection: messages wait on both ways until the test lets them travel. */
export class FakeLink implements Link {
  backlog = 0;
  readonly up: Data[] = [];
  readonly down: Data[] = [];
  isClosed = false;

  constructor(readonly listener: Listener) {}

  send(data: Data): void {
    this.up.push(data);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

export type Message = Record<string, any>;

/** What a gateway would do with a message: answer with any number of messages. */
export type Gateway = (
  message: Message,
  tensors: Tensors,
  reply: (message: Message, tensors?: Tensors) => void,
  link: FakeLink,
) => void;

export const HELLO: Message = {
  op: "hello",
  protocol: "tidegate.v1",
  server: "fake",
  session: "s",
  keepalive_ms: 15_000,
  limits: { message_bytes: 2 ** 24, text_bytes: 2 ** 20, in_flight: 4 },
};

export const MODELS = [
  {
    name: "double",
    version: "1",
    state: "ready",
    pure: true,
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2], batch_axis: 0 }],
  },
  {
    name: "once",
    version: "1",
    state: "ready",
    pure: false,
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2], batch_axis: 0 }],
  },
  {
    name: "sum",
    version: "1",
    state: "ready",
    pure: false,
    inputs: [{ name: "x", datatype: "INT64", shape: [] }],
    stream: { inputs: [{ name: "x", datatypes: ["INT64"], shape: [] }] },
  },
];

/** Write a message as a gateway does; without a form, as it would be most often. */
export function encodeMessage(message: Message, tensors?: Tensors, form?: Form): Data {
  const usual = message.op === "hello" ? "text" : message.op === "models" ? "json" : "msgpack";
  const chosen = form ?? usual;
  return tensors
    ? new Payload(tensors, chosen, chosen === "text" ? text : undefined).write(message as ClientMessage)
    : write(message as ClientMessage, chosen);
}

export function decodeMessage(data: Data): { message: Message; tensors: Tensors; form: Form } {
  const { header, cutter, form } = openUp(data);
  return { form, message: header, tensors: tensorsOf(header, cutter, data, text) };
}

/** Let promises go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A client with its clock and its network. */
export class World {
  readonly clock = new FakeClock();
  readonly links: FakeLink[] = [];
  readonly states: State["status"][] = [];
  readonly seen: Message[] = []; // what the gateway got
  connection!: Connection;
  hello: Message = HELLO;
  readonly returns = new Set<() => void>(); // who waits for the network, or for somebody who looks at the page

  constructor(public gateway: Gateway = () => {}) {}

  get link(): FakeLink {
    return this.links.at(-1)!;
  }

  /** Begin to connect; the gateway has not said hello yet. */
  begin(options: Partial<Options> = {}): Promise<Connection> {
    const dial = (listener: Listener): FakeLink => {
      const link = new FakeLink(listener);
      this.links.push(link);
      return link;
    };
    const onReturn = (then: () => void): (() => void) => {
      this.returns.add(then);
      return () => void this.returns.delete(then);
    };
    const all = withDefaults({ onState: (state) => this.states.push(state.status), ...options });
    const world = { dial, clock: this.clock, random: () => 0.5, onReturn };
    return Connection.open(all, { ...world, ...(all.form === "text" && { text }) });
  }

  async open(options: Partial<Options> = {}): Promise<Connection> {
    const opening = this.begin(options);
    this.greet();
    await this.flow();
    return (this.connection = await opening);
  }

  greet(hello: Message = this.hello): void {
    this.link.listener.message(encodeMessage(hello));
  }

  say(message: Message, tensors?: Tensors, form?: Form): void {
    this.link.listener.message(encodeMessage(message, tensors, form));
  }

  /** Let so many messages travel to the gateway. */
  up(most = Infinity): void {
    const { link } = this;
    for (; link.up.length && most > 0; most--) {
      const { message, tensors, form } = decodeMessage(link.up.shift()!);
      this.seen.push(message);
      const reply = (answer: Message, with_?: Tensors): void => void link.down.push(encodeMessage(answer, with_, form));
      if (message.op === "models") reply({ op: "models", id: message.id, models: MODELS });
      else this.gateway(message, tensors, reply, link);
    }
  }

  /** Let so many messages travel to the client. */
  down(most = Infinity): void {
    const { link } = this;
    for (; link.down.length && most > 0; most--) link.listener.message(link.down.shift()!);
  }

  /** Let everything travel, until nothing is on its way. */
  async flow(): Promise<void> {
    do {
      this.up();
      this.down();
      await settle();
    } while (this.link.up.length || this.link.down.length);
  }

  cut(reason = "cut", final = false): void {
    this.link.listener.lost(reason, final);
  }

  /** Let the time pass until the next attempt to connect begins. */
  dialled(): void {
    for (const before = this.links.length; this.links.length === before;) this.clock.advance(10);
  }

  /** Lose the connection, and make another one. */
  async reconnect(hello?: Message): Promise<void> {
    this.cut();
    this.dialled();
    this.greet(hello);
    await settle();
  }
}
