/** Turns the states of a connection into sentences for a person: that it was lost, and for how long. It shows nothing. */

import type { State } from "tidegate";
import { clockTime, seconds } from "./format.js";

export interface Told {
  readonly text: string;
  readonly kind: "good" | "bad";
}

export class Journal {
  private lostAt: number | undefined;
  private wasOpen = false;

  /** Take in a state at a Unix time in milliseconds; return what there is to say, if anything. */
  note(state: State, now: number): Told | undefined {
    if (state.status === "open") return this.opened(now);
    if (state.status === "draining") return { kind: "bad", text: `The gateway is going away: ${state.reason}.` };
    if (state.status === "closed")
      return { kind: "bad", text: `The connection is closed: ${state.reason}. Reload to connect again.` };
    if (state.status !== "reconnecting") return undefined;
    this.lostAt ??= now;
    const again = `trying again in ${seconds(state.delayMs)}`;
    return { kind: "bad", text: `Not connected since ${clockTime(this.lostAt)} (${state.reason}): ${again}.` };
  }

  private opened(now: number): Told | undefined {
    const { lostAt, wasOpen } = this;
    this.lostAt = undefined;
    this.wasOpen = true;
    if (lostAt === undefined) return undefined;
    const text = wasOpen ? `Connected again, after ${seconds(now - lostAt)} without the gateway` : "Connected";
    return { kind: "good", text: `${text}.` };
  }
}
