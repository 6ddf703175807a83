/** The page `/`: what this gateway is and where everything else lies, with what is going on right now. */

import { type Connection, type ModelEntry, TidegateError } from "tidegate";
import { byId, make } from "../shell/dom.js";
import { milliseconds, number } from "../shell/format.js";
import { startPage } from "../shell/page.js";

const PING_EVERY_MS = 2_000;

function put(id: string, text: string): void {
  byId(id, HTMLElement).textContent = text;
}

function described({ name, state, error, inputs, outputs }: ModelEntry): HTMLElement {
  const ready = state === "ready";
  const names = (specs: ModelEntry["inputs"]): string => {
    const all = specs?.map((spec) => spec.name) ?? [];
    return all.slice(0, 3).join(", ") + (all.length > 3 ? ", …" : "");
  };
  return make(
    "li",
    {},
    ready ? make("a", { href: `/playground?model=${encodeURIComponent(name)}` }, name) : make("b", {}, name),
    " ",
    make("span", { class: `badge ${ready ? "good" : "warn"}` }, state.replaceAll("_", " ")),
    make("span", { class: "muted small" }, ready ? `${names(inputs)} → ${names(outputs)}` : (error ?? "")),
  );
}

async function listModels(gw: Connection): Promise<void> {
  byId("models", HTMLElement).replaceChildren(...(await gw.models()).map(described));
}

/** Show the state again and again, as long as there is a connection; errors say what is shown elsewhere. */
async function keepPinging(gw: Connection): Promise<never> {
  for (;;) {
    const ms = await gw.ping().catch(() => undefined);
    put("ping", milliseconds(ms));
    await new Promise((resolve) => setTimeout(resolve, PING_EVERY_MS));
  }
}

async function watchStats(gw: Connection): Promise<void> {
  for await (const { data } of gw.subscribe("server/stats")) {
    if (!data) continue;
    put("connections", `${number(data.connections)}, with ${number(data.streams)} streams`);
    put("requests", `${number(data.requests_per_s + data.steps_per_s)} a second`);
  }
}

const gw = await startPage();
put("url", `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1`);
gw.onState((state) => {
  if (state.status !== "open") return;
  put("server", state.hello.server);
  void listModels(gw).catch(() => {}); // lost again: the next connection lists them
});
void keepPinging(gw);
await watchStats(gw).catch((error: unknown) => put("requests", error instanceof TidegateError ? error.message : String(error)));
