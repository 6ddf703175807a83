/** A gateway's streams of a model that sums up what came: each step makes `results` results, and a negative number fails. */

import type { Tensors } from "../src/codec.js";
import type { Gateway, Message } from "./world.js";

interface Told {
  readonly seq: number;
  readonly message: Message;
  readonly tensors?: Tensors;
}

const TIMING = { queue_us: 1, compute_us: 2, batch_size: 1 };

class FakeStream {
  sum = 0n;
  nextStep = 1;
  seq = 0;
  told: Told[] = [];
  cursor = 0; // what was sent on this connection
  until = Infinity;
  seen = 0;
  queue: { step: number; x: bigint; results: number }[] = [];
  closing = false;
  stopped = new Set<number>();

  constructor(
    public name: unknown,
    readonly overflow: string,
  ) {}

  tell(message: Message, tensors?: Tensors): void {
    const seq = ++this.seq;
    this.told.push({ seq, message: { ...message, stream: this.name, seq }, ...(tensors && { tensors }) });
  }

  /** Run the first step that waits. */
  run(): boolean {
    const next = this.queue[0];
    if (!next || (this.overflow === "block" && this.seq - Math.min(this.until, Infinity) >= 4)) return false;
    this.queue.shift();
    const { step } = next;
    if (this.stopped.has(step)) return (this.fail(step, "cancelled"), true);
    if (next.x < 0n) return (this.fail(step, "model_failed"), true);
    for (let i = 1; i <= next.results; i++) {
      this.sum += next.x;
      const data = BigInt64Array.of(this.sum);
      this.tell(
        { op: "result", step, final: i === next.results, timing: TIMING },
        { sum: { datatype: "INT64", shape: [], data } },
      );
    }
    return true;
  }

  private fail(step: number, code: string): void {
    const rest = this.queue.splice(0);
    this.nextStep = step;
    this.tell({
      op: "error",
      step,
      code,
      message: "no",
      retryable: false,
      expected_step: step,
      ...(code === "cancelled" && { outcome: "removed" }),
    });
    for (const each of rest) {
      this.tell({ op: "error", step: each.step, code: "unexpected_step", message: "", retryable: false, expected_step: step });
    }
  }
}

export class FakeStreams {
  readonly sessions = new Map<string, Map<unknown, FakeStream>>();
  token = "t0";
  steps = 0; // that were run, over all
  private tokens = 0;

  get here(): Map<unknown, FakeStream> {
    return this.sessions.get(this.token)!;
  }

  /** Begin a session, as a new connection does; return the fields of its hello. */
  newSession(): Message {
    this.token = `t${++this.tokens}`;
    this.sessions.set(this.token, new Map());
    return { features: ["streams", "resume"], resume_token: this.token, resume_window_ms: 60_000 };
  }

  /** Run up to so many steps, and send what may be sent. */
  advance(reply: Parameters<Gateway>[2], most = Infinity): void {
    for (const stream of this.here.values()) while (most-- > 0 && stream.run()) this.steps++;
    for (const stream of [...this.here.values()]) this.send(stream, reply);
  }

  private send(stream: FakeStream, reply: Parameters<Gateway>[2]): void {
    if (stream.overflow === "latest") {
      const waiting = stream.told.filter(({ seq }) => seq > stream.cursor && seq > stream.until);
      const [from, to] = [waiting[0]?.seq ?? 0, (waiting.at(-1)?.seq ?? 0) - 1];
      if (to >= from && waiting.length > 1) {
        stream.told = stream.told.filter(({ seq }) => seq < from || seq > to);
        stream.told.splice(-1, 0, { seq: from, message: { op: "gap", stream: stream.name, from, to } });
      }
    }
    for (const { seq, message, tensors } of stream.told.filter((told) => told.seq > stream.cursor)) {
      if (seq > stream.until && message.op !== "gap") break;
      reply(message, tensors);
      stream.cursor = message.op === "gap" ? (message.to as number) : seq;
    }
    if (stream.closing && !stream.queue.length && stream.cursor === stream.seq) {
      this.here.delete(stream.name);
      reply({ op: "closed", stream: stream.name, reason: "closed" });
    }
  }

  readonly gateway: Gateway = (message, tensors, reply) => {
    const stream = this.here.get(message.stream);
    const { op, id } = message;
    if (op === "open" || op === "fork") {
      const made = new FakeStream(op === "open" ? message.stream : message.to, message.overflow ?? "block");
      made.until = message.until ?? Infinity;
      made.sum = op === "fork" ? stream!.sum : message.from_snapshot ? BigInt((tensors.snapshot!.data as Uint8Array)[0]!) : 0n;
      this.here.set(made.name, made);
      reply({ op: "opened", id, stream: made.name, model_name: "sum", model_version: "1", next_step: 1, steps: 4, results: 8 });
    } else if (op === "snapshot") {
      while (stream!.run()) this.steps++;
      reply(
        { op, id, stream: stream!.name, step: stream!.nextStep - 1 },
        { snapshot: { datatype: "UINT8", shape: [1], data: Uint8Array.of(Number(stream!.sum)) } },
      );
    } else if (op === "resume") {
      this.resume(message, reply);
    } else if (stream && op === "step") {
      this.step(stream, message, tensors, reply);
    } else if (stream && op === "credit") {
      stream.until = Math.max(stream.until === Infinity ? 0 : stream.until, message.until);
      stream.seen = Math.max(stream.seen, message.seen);
      stream.told = stream.told.filter(({ seq }) => seq > stream.seen);
    } else if (stream && op === "close") {
      stream.closing = true;
    } else if (stream && op === "cancel") {
      stream.stopped.add(message.step);
    }
  };

  private step(stream: FakeStream, message: Message, tensors: Tensors, reply: Parameters<Gateway>[2]): void {
    const { step } = message;
    const refuse = (code: string): void =>
      reply({ op: "error", stream: stream.name, step, code, message: "", retryable: false, expected_step: stream.nextStep });
    const x = (tensors.x!.data as BigInt64Array)[0]!;
    if (step < stream.nextStep) return;
    if (step > stream.nextStep) return refuse("unexpected_step");
    if (x === 666n) return refuse("invalid_input");
    stream.nextStep++;
    stream.stopped.delete(step);
    stream.queue.push({ step, x, results: Number(message.parameters?.max_steps ?? 1) });
  }

  private resume(message: Message, reply: Parameters<Gateway>[2]): void {
    const session = this.sessions.get(message.token);
    if (!session) return reply({ op: "error", code: "resume_failed", message: "expired", retryable: false, lost: [] });
    this.token = message.token;
    const named = message.streams as { stream: unknown; last_seq: number }[];
    for (const name of [...session.keys()]) if (!named.some(({ stream }) => stream === name)) session.delete(name);
    const streams = named.flatMap(({ stream: name, last_seq }) => {
      const stream = session.get(name);
      if (!stream) return [];
      stream.cursor = last_seq;
      return [
        {
          stream: name,
          next_step: stream.nextStep,
          replay_from: stream.told[0]?.seq ?? stream.seq + 1,
          seq: stream.seq,
          status: stream.closing ? "closing" : "open",
        },
      ];
    });
    reply({
      op: "resumed",
      token: message.token,
      streams,
      lost: named.map(({ stream }) => stream).filter((name) => !session.has(name)),
    });
  }
}
