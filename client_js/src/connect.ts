/** Where everything begins: makes a connection over the WebSockets of this place. */

import { SYSTEM_CLOCK } from "./clock.js";
import { Connection } from "./connection.js";
import { ConnectionLost } from "./errors.js";
import { dialWith, type SocketType } from "./link.js";
import type { AnyModels, ModelsLike } from "./models.js";
import { type Options, withDefaults } from "./options.js";
import { onReturn } from "./returns.js";
import { PROTOCOL } from "./uplink.js";
import { complete } from "./url.js";

/**
 * Connect to a gateway.
 *
 * @param url where it is: `ws://host:port`, `https://host`, …; without it, where the page comes from.
 */
export async function connect<Models extends ModelsLike<Models> = AnyModels>(
  url?: string | URL,
  options: Partial<Options> = {},
): Promise<Connection<Models>> {
  const all = withDefaults(options);
  const type = all.WebSocket ?? (globalThis as { WebSocket?: SocketType }).WebSocket;
  if (!type) throw new ConnectionLost("no WebSocket here: pass that of the package ws in the options");
  const dial = dialWith(type, complete(url), PROTOCOL);
  const text = all.form === "text" && { text: await import("./text.js") };
  return Connection.open<Models>(all, { dial, clock: SYSTEM_CLOCK, random: Math.random, onReturn, ...text });
}
