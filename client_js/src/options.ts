/** The options of a connection, with what they are if they are not given. */

import type { SocketType } from "./link.js";
import type { Form } from "./messages.js";
import type { State } from "./states.js";

export interface Options {
  /** Time limit of a request that names none of its own, in milliseconds. @default 60000 */
  readonly timeout: number;
  /** How long one attempt to connect may take. @default 10000 */
  readonly openTimeout: number;
  /** How long the first connection is tried again; 0 is one attempt, so that a wrong address fails at once. @default 0 */
  readonly connectTimeout: number;
  /** How long closing waits for the gateway. @default 2000 */
  readonly closeTimeout: number;
  /** Whether a lost connection is opened again. @default true */
  readonly reconnect: boolean;
  /** Requests, and steps, that may wait here for their turn; beyond it, `Overloaded`. @default 10000 */
  readonly maxPending: number;
  /** Bytes of unfinished requests that are kept here to be sent again; beyond it they wait unsent. @default 64 MiB */
  readonly maxBufferBytes: number;
  /** How messages are written: with a header in msgpack or in JSON, or as JSON text: slow, to look at. @default "msgpack" */
  readonly form: Form;
  /** Called at once, and then whenever the state changes. */
  readonly onState: ((state: State) => void) | undefined;
  /** What opens WebSockets, where there is none: Node 20 needs that of the package `ws`. */
  readonly WebSocket: SocketType | undefined;
}

const DEFAULTS: Options = {
  timeout: 60_000,
  openTimeout: 10_000,
  connectTimeout: 0,
  closeTimeout: 2_000,
  reconnect: true,
  maxPending: 10_000,
  maxBufferBytes: 64 * 1024 * 1024,
  form: "msgpack",
  onState: undefined,
  WebSocket: undefined,
};

const LONGEST_MS = 86_400_000;

/** Return all options. Raises RangeError for one that cannot work. */
export function withDefaults(given: Partial<Options>): Options {
  const options = { ...DEFAULTS, ...given };
  for (const name of ["timeout", "openTimeout", "closeTimeout", "maxPending", "maxBufferBytes"] as const) {
    if (!(options[name] > 0)) throw new RangeError(`${name} must be more than 0, not ${options[name]}`);
  }
  return options;
}

/** Return the time limit of a request, given what was asked for: a day at most. Raises RangeError unless it is above 0. */
export function timeLimit(options: Options, timeout: number | undefined): number {
  const limit = timeout ?? options.timeout;
  if (!(limit > 0)) throw new RangeError(`timeout must be more than 0, not ${timeout}`);
  return Math.min(limit, LONGEST_MS);
}
