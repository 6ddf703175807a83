/**
 * The states of a connection, one of which holds at any time.
 *
 *     connecting ──hello──▶ open ──goaway──▶ draining
 *         ▲ │                │                  │
 *         │ └─failed─┐       │ lost             │ lost
 *         │          ▼       ▼                  ▼
 *         └─time── reconnecting ◀───────────────┘
 *     any of them ──close, or an end for good──▶ closed
 */

import type { Hello } from "./messages.js";

export type State =
  /** An attempt to connect is under way. */
  | { readonly status: "connecting" }
  /** The gateway has said hello; requests may be sent. */
  | { readonly status: "open"; readonly hello: Hello }
  /** The gateway said goaway: what runs may finish, nothing new is sent until the next connection. */
  | { readonly status: "draining"; readonly hello: Hello; readonly reason: string }
  /** The connection is lost, or could not be made; the next attempt begins in `delayMs`. */
  | { readonly status: "reconnecting"; readonly delayMs: number; readonly reason: string }
  /** The end: nothing is sent any more, and every request fails. */
  | { readonly status: "closed"; readonly reason: string };

/** Say where a connection is, in an error. */
export function describe(state: State): string {
  const reason = "reason" in state && state.reason ? ` (${state.reason})` : "";
  return `the connection is ${state.status}${reason}`;
}
