/** The page `/dashboard`: what the gateway tells of itself, live; and what happened while this page was not connected. */

import { type Connection, type ServerStats, TidegateError } from "tidegate";
import { byId, make } from "../shell/dom.js";
import { seconds } from "../shell/format.js";
import { startPage, tell } from "../shell/page.js";
import { Charts } from "./charts.js";
import { EventsList } from "./events-list.js";
import { FIGURES, rowOf, TILES } from "./figures.js";
import { ModelsTable } from "./models-table.js";
import { Recent } from "./recent.js";
import { Silence } from "./silence.js";

const SPAN_S = 300;
const WIDTH = FIGURES.reduce((sum, { lines }) => sum + lines.length, 0);

const recent = new Recent(WIDTH, SPAN_S);
const charts = new Charts(byId("charts", HTMLElement), recent, SPAN_S);
const models = new ModelsTable(byId("models", HTMLTableElement));
const events = new EventsList(byId("events", HTMLElement), byId("no-events", HTMLElement));
const tiles = TILES.map(({ label }) => {
  const value = make("dd", {}, "–");
  byId("now", HTMLElement).append(make("div", { class: "tile" }, make("dt", {}, label), value));
  return value;
});
let askedAt = -Infinity;

function show(stats: ServerStats, atMs: number): void {
  if (stats.requests_per_s || stats.steps_per_s || stats.refused_per_s) askedAt = atMs;
  byId("empty", HTMLElement).hidden = atMs - askedAt < SPAN_S * 1000;
  TILES.forEach(({ of }, i) => (tiles[i]!.textContent = of(stats)));
  recent.push(atMs, rowOf(stats));
  charts.refresh();
  models.show(stats.models);
}

/** Note when the connection is lost, and when it is back. */
function watchConnection(gw: Connection): void {
  let lostAt: number | undefined;
  gw.onState((state) => {
    if (state.status === "reconnecting" && lostAt === undefined) {
      lostAt = Date.now();
      events.add(lostAt, "connection lost", `${state.reason}. From here on the charts have a gap.`);
    } else if (state.status === "open") {
      byId("server", HTMLElement).textContent = `${state.hello.server}: the last five minutes, a point each second.`;
      if (lostAt !== undefined) events.add(Date.now(), "connected again", `After ${seconds(Date.now() - lostAt)}.`);
      lostAt = undefined;
    }
  });
}

async function watchStats(gw: Connection): Promise<void> {
  const silence = new Silence(performance.now());
  setInterval(() => {
    if (!silence.begins(performance.now(), gw.state.status === "open")) return;
    tell("The gateway is connected and tells nothing. What is shown here is old.", "bad");
  }, 1_000);
  for await (const { data, atMs } of gw.subscribe("server/stats")) {
    const silentMs = silence.heard(performance.now());
    if (silentMs) tell(`The gateway told nothing for ${seconds(silentMs)}.`, "good");
    if (data) show(data, atMs);
  }
}

async function watchEvents(gw: Connection): Promise<void> {
  for await (const { data, atMs, missed } of gw.subscribe("server/events", { overflow: "drop_oldest" })) {
    if (missed) events.add(atMs, "missed", `${missed} event${missed > 1 ? "s" : ""} before this one did not reach this page.`);
    if (data) events.add(atMs, data.event, data.message);
  }
}

const gw = await startPage();
watchConnection(gw);
try {
  await Promise.all([watchStats(gw), watchEvents(gw)]);
} catch (error) {
  tell(error instanceof TidegateError ? `This gateway tells nothing of itself: ${error.message}.` : String(error), "bad");
}
