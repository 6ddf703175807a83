/** All subscriptions of one client over connections that come and go: what is sent for them, and who gets what comes. Pure. */

import type { Tensors } from "../codec.js";
import { ConnectionLost, errorFromWire } from "../errors.js";
import type { ClientMessage, ErrorMessage, ServerMessage } from "../messages.js";
import type { Side } from "../sides.js";
import { asEvent, CHECKS } from "./events.js";
import { matches } from "./patterns.js";
import type { Watch } from "./watch.js";

export class Topics implements Side {
  readonly checks = CHECKS;
  private readonly watches = new Set<Watch>();
  private readonly asked = new Map<unknown, string>(); // patterns without an answer, by id
  private out: ClientMessage[] = [];
  private isConnected = false;

  /** `turn` gives a number that is the same for what comes at once. */
  constructor(
    private readonly nextId: () => number,
    private readonly turn: () => number,
  ) {}

  // What the program wants.

  /** Begin a subscription. */
  add(watch: Watch): void {
    this.watches.add(watch);
    // Also where the pattern is subscribed to already: the newcomer gets the last values that way.
    if (this.isConnected) this.ask(watch.pattern);
  }

  /** End a subscription. */
  remove(watch: Watch): void {
    const { pattern } = watch;
    const isLast = this.watches.delete(watch) && !this.of(pattern).length;
    if (isLast && this.isConnected) this.out.push({ op: "unsubscribe", id: this.nextId(), topic: pattern });
    watch.feed.end();
  }

  // What happens on the network.

  greeted(): void {
    this.isConnected = true;
    for (const pattern of new Set([...this.watches].map((watch) => watch.pattern))) this.ask(pattern);
  }

  cut(): void {
    this.isConnected = false;
    this.asked.clear();
    this.out = [];
  }

  end(reason: string): void {
    this.cut();
    for (const watch of this.watches) watch.feed.end(new ConnectionLost(reason));
    this.watches.clear();
  }

  takeOut(): ClientMessage[] {
    return this.out.splice(0);
  }

  error(message: ErrorMessage, draining: boolean): boolean {
    const pattern = this.asked.get(message.id);
    if (pattern === undefined) return false;
    this.asked.delete(message.id);
    if (message.code === "shutting_down" && draining) return true; // the next gateway is asked, too
    for (const watch of this.of(pattern)) {
      this.watches.delete(watch);
      watch.feed.end(errorFromWire(message));
    }
    return true;
  }

  other(message: ServerMessage, tensors: Tensors): void {
    if (message.op === "subscribed") this.asked.delete(message.id);
    if (message.op !== "event") return;
    const event = asEvent(message, tensors);
    for (const watch of this.watches) if (matches(watch.pattern, event.topic)) watch.put(event, this.turn());
  }

  private ask(pattern: string): void {
    const id = this.nextId();
    const all = this.of(pattern).every(({ overflow }) => overflow === "latest");
    this.asked.set(id, pattern);
    this.out.push({ op: "subscribe", id, topic: pattern, ...(!all && { overflow: "drop_oldest" }) });
  }

  private of(pattern: string): Watch[] {
    return [...this.watches].filter((watch) => watch.pattern === pattern);
  }
}
