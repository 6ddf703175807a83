/** Numbers and times as text for a person. */

const NOTHING = "–";

/** Write a number with as many digits as are worth reading: 12,345, 123, 12.3, 1.23, 0.012. */
export function number(value: number | null | undefined): string {
  if (value == null || Number.isNaN(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= 100 || value === 0) return Math.round(value).toLocaleString("en-US");
  if (size < 0.01) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

export function milliseconds(value: number | null | undefined): string {
  return value == null ? NOTHING : `${number(value)} ms`;
}

export function percent(share: number | null | undefined): string {
  return share == null ? NOTHING : `${number(Math.round(share * 1000) / 10)} %`;
}

/** Write bytes with a unit. */
export function bytes(value: number): string {
  if (value < 1024) return `${Math.round(value)} B`;
  const [size, unit] = value < 1024 ** 2 ? [value / 1024, "KiB"] : [value / 1024 ** 2, "MiB"];
  return `${number(size)} ${unit}`;
}

/** Write a duration given in milliseconds. */
export function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms / 1000);
}

/** Write a duration given in seconds: 42 s, 5 min 3 s, 42 min, 2 h 5 min, 3 d 4 h. */
export function duration(given: number): string {
  const s = Math.round(given);
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

/** Write the time of day of a Unix time in milliseconds, as 13:05:09. */
export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}
