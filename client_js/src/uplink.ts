/**
 * Keeps one link to the gateway up: dials, waits, dials again, sees when it is dead. It knows no requests and no streams.
 *
 * Everything happens in plain calls: from the link, from the clock, and from the session that it serves.
 */

import { Backoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import { type Data, type Received, sizeOf, Unreadable, write } from "./codec.js";
import { Heartbeat } from "./heartbeat.js";
import type { Dial, Link } from "./link.js";
import type { Form, Hello, Id } from "./messages.js";
import type { Options } from "./options.js";
import type { State } from "./states.js";

export const PROTOCOL = "tidegate.v1";
/** Bytes that may wait in a link, beyond the message that crosses the limit. */
const WRITE_LIMIT_BYTES = 1024 * 1024;
/** How long after the end that it announced a draining gateway may keep the connection. */
const DRAIN_GRACE_MS = 5_000;

/** What is told when something happens on the link. */
export interface Upstream {
  /** A connection was opened; what is sent now is sent first. */
  greeted(hello: Hello): void;
  /** Read a message. Raises Unreadable. */
  read(data: Data): Received;
  receive(received: Received): void;
  /** A message could not be read. Return whether somebody waited for it. */
  unreadable(error: Unreadable): boolean;
  /** The connection is gone, and there will be another one. */
  cut(reason: string): void;
  /** There will be none. */
  ended(reason: string): void;
  /** Something has happened, and there may be something to send. */
  flush(): void;
}

export class Uplink {
  state: State = { status: "connecting" };
  private link: Link | undefined;
  private readonly backoff: Backoff;
  private heartbeat: Heartbeat | undefined;
  private readonly timers = new Map<string, () => void>();
  private readonly giveUpAt: number; // unless a connection was made by then
  private wasOpen = false;
  private sentBytes = 0; // on this link

  constructor(
    private readonly dial: Dial,
    private readonly options: Options,
    private readonly clock: Clock,
    random: () => number,
    private readonly upstream: Upstream,
    private readonly onReturn?: (then: () => void) => () => void,
  ) {
    this.backoff = new Backoff(random);
    this.giveUpAt = clock.now() + options.connectTimeout;
  }

  /** What the gateway said, while there is a connection. */
  get hello(): Hello | undefined {
    return "hello" in this.state ? this.state.hello : undefined;
  }

  /** How many bytes may be sent now. */
  get room(): number {
    return this.link && this.hello ? WRITE_LIMIT_BYTES - this.link.backlog : 0;
  }

  /** Begin an attempt to connect. */
  connect(): void {
    this.forget();
    this.enter({ status: "connecting" });
    const { openTimeout } = this.options;
    this.set("open", openTimeout, () => this.lost(`no gateway answered within ${openTimeout} ms`));
    let mine: Link | undefined;
    const isMine = (): boolean => mine === this.link;
    try {
      mine = this.link = this.dial({
        message: (data) => isMine() && this.message(data),
        lost: (reason, final) => isMine() && this.lost(reason, final),
      });
    } catch (error) {
      this.lost(String(error), true);
    }
  }

  send(data: Data): void {
    this.link?.send(data);
    this.sentBytes += sizeOf(data);
  }

  /** Call `flush` when there may be room again. */
  wait(): void {
    if (!this.timers.has("room")) this.set("room", 4, () => this.upstream.flush());
  }

  /** End everything. Resolves when the gateway knows, or the option `closeTimeout` has passed. */
  async close(reason = "closed by this program"): Promise<void> {
    const link = this.link;
    this.end(reason);
    if (!link) return;
    await new Promise<void>((resolve) => {
      const stop = this.clock.after(this.options.closeTimeout, resolve);
      void link.close().then(stop).then(resolve);
    });
  }

  private message(data: Data): void {
    this.heartbeat?.heard(this.clock.now());
    try {
      const received = this.upstream.read(data);
      const { message } = received;
      if (message?.op === "hello") this.greeted(message);
      else if (message?.op === "ping") this.pong(message.id ?? undefined, received.form);
      else if (message?.op === "goaway" && this.state.status === "open") this.drain(message.reason, message.time_left_ms);
      else if (message) this.upstream.receive(received);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      if (!this.upstream.unreadable(error)) this.lost(`the gateway sent no message: ${error.message}`);
    }
    this.upstream.flush();
  }

  private pong(id: Id | undefined, form: Form): void {
    this.send(write({ op: "pong", id }, form));
  }

  private greeted(hello: Hello): void {
    if (hello.protocol !== PROTOCOL) return this.lost(`the gateway speaks ${hello.protocol}, this client ${PROTOCOL}`, true);
    if (this.state.status !== "connecting") return;
    this.stop("open");
    this.wasOpen = true;
    this.sentBytes = 0;
    this.backoff.opened(this.clock.now(), hello.resume_window_ms ?? 0);
    this.heartbeat = hello.keepalive_ms ? new Heartbeat(hello.keepalive_ms, this.clock.now()) : undefined;
    this.beat();
    this.enter({ status: "open", hello });
    this.upstream.greeted(hello);
  }

  private drain(reason: string, leftMs: number): void {
    this.enter({ status: "draining", hello: this.hello!, reason });
    this.set("drain", leftMs + DRAIN_GRACE_MS, () => this.lost("the gateway did not go away"));
  }

  /** Hang up on a gateway that said goaway, and connect anew. */
  leave(): void {
    this.lost("the gateway goes away");
  }

  private beat(): void {
    if (!this.heartbeat) return;
    this.set("beat", this.heartbeat.nextCheck() - this.clock.now(), () => {
      const backlog = this.link?.backlog ?? 0;
      const pulse = this.heartbeat!.check(this.clock.now(), this.sentBytes - backlog, backlog);
      if (pulse === "dead") return this.lost("no sign of life from the gateway");
      if (pulse === "ask") this.send(write({ op: "ping" }, this.options.form));
      return this.beat();
    });
  }

  /** The connection is gone, or could not be made. */
  private lost(reason: string, final = false): void {
    const { link, state } = this;
    if (state.status === "closed") return;
    this.forget();
    void link?.close();
    const delayMs = this.backoff.nextDelay(this.clock.now(), state.status === "draining");
    const tooLate = !this.wasOpen && this.clock.now() + delayMs >= this.giveUpAt;
    if (final || tooLate || (this.wasOpen && !this.options.reconnect)) return this.end(reason);
    const again = (): void => this.connect();
    this.set("dial", delayMs, again);
    if (this.onReturn) this.timers.set("return", this.onReturn(again));
    this.enter({ status: "reconnecting", delayMs, reason });
    if ("hello" in state) this.upstream.cut(reason);
  }

  private end(reason: string): void {
    if (this.state.status === "closed") return;
    this.forget();
    this.enter({ status: "closed", reason });
    this.upstream.ended(reason);
  }

  private forget(): void {
    this.link = this.heartbeat = undefined;
    for (const name of [...this.timers.keys()]) this.stop(name);
  }

  private enter(state: State): void {
    this.state = state;
    const { onState } = this.options;
    if (onState) queueMicrotask(() => onState(state));
  }

  private set(name: string, ms: number, then: () => void): void {
    this.stop(name);
    this.timers.set(
      name,
      this.clock.after(Math.max(0, ms), () => {
        this.timers.delete(name);
        then();
      }),
    );
  }

  private stop(name: string): void {
    this.timers.get(name)?.();
    this.timers.delete(name);
  }
}
