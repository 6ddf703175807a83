/** Which numbers the dashboard shows, how they are called and written: as tiles, as charts, and for each model. No document. */

import type { ModelStats, ServerStats } from "tidegate";
import { duration, milliseconds, number, percent } from "../shell/format.js";
import type { Cell } from "./recent.js";

interface Line {
  readonly label: string;
  readonly colour: string;
  readonly of: (stats: ServerStats) => Cell;
}
export interface Figure {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

export const FIGURES: readonly Figure[] = [
  {
    title: "Throughput",
    unit: "/s",
    lines: [
      { label: "requests", colour: "--chart-1", of: (stats) => stats.requests_per_s },
      { label: "steps", colour: "--chart-2", of: (stats) => stats.steps_per_s },
      {
        label: "rows",
        colour: "--chart-4",
        of: ({ models }) => Object.values(models).reduce((sum, each) => sum + each.rows_per_s, 0),
      },
      { label: "refused", colour: "--chart-5", of: (stats) => stats.refused_per_s },
    ],
  },
  {
    title: "Latency: queue and run",
    unit: " ms",
    lines: [
      { label: "p50", colour: "--chart-1", of: (stats) => stats.p50_ms },
      { label: "p99", colour: "--chart-2", of: (stats) => stats.p99_ms },
    ],
  },
  {
    title: "Waiting in queues",
    unit: "",
    lines: [{ label: "requests", colour: "--chart-3", of: (stats) => stats.queue_requests }],
  },
  {
    title: "Rows in a batch, mean",
    unit: "",
    lines: [{ label: "rows", colour: "--chart-4", of: (stats) => stats.batch_rows || null }],
  },
  {
    title: "Event loop lag, p99",
    unit: " ms",
    lines: [{ label: "lag", colour: "--chart-5", of: (stats) => stats.loop_lag_ms }],
  },
  {
    title: "Connections",
    unit: "",
    lines: [
      { label: "connections", colour: "--chart-1", of: (stats) => stats.connections },
      { label: "streams", colour: "--chart-3", of: (stats) => stats.streams },
    ],
  },
];

export const TILES: readonly { readonly label: string; readonly of: (stats: ServerStats) => string }[] = [
  { label: "requests/s", of: (stats) => number(stats.requests_per_s) },
  { label: "stream steps/s", of: (stats) => number(stats.steps_per_s) },
  { label: "median latency", of: (stats) => milliseconds(stats.p50_ms) },
  { label: "p99 latency", of: (stats) => milliseconds(stats.p99_ms) },
  { label: "compute in use", of: (stats) => percent(stats.slot_busy) },
  { label: "connections", of: (stats) => number(stats.connections) },
  { label: "streams", of: (stats) => number(stats.streams) },
  { label: "up for", of: (stats) => duration(stats.uptime_s) },
];

export const COLUMNS: readonly { readonly label: string; readonly of: (stats: ModelStats) => string }[] = [
  { label: "state", of: (stats) => stats.state.replaceAll("_", " ") },
  { label: "requests/s", of: (stats) => number(stats.requests_per_s) },
  { label: "rows/s", of: (stats) => number(stats.rows_per_s) },
  { label: "p50 ms", of: (stats) => number(stats.p50_ms) },
  { label: "p99 ms", of: (stats) => number(stats.p99_ms) },
  { label: "queue", of: (stats) => number(stats.queue_requests) },
  { label: "batch", of: (stats) => number(stats.batch_rows || null) },
  { label: "compute", of: (stats) => percent(stats.compute_share) },
  { label: "refused/s", of: (stats) => number(stats.refused_per_s) },
  { label: "failed/s", of: (stats) => number(stats.failed_per_s) },
  { label: "streams", of: (stats) => number(stats.streams) },
];

/** Return the row of numbers that the charts keep of a snapshot. */
export function rowOf(stats: ServerStats): Cell[] {
  return FIGURES.flatMap(({ lines }) => lines.map(({ of }) => of(stats)));
}
