/** Tells when a lost connection is there again, and how long it was away. It knows nothing of what was lost meanwhile. */

import type { Connection } from "tidegate";

/** Call something each time, with milliseconds; return what ends that. */
export function onReturn(gw: Connection, back: (awayMs: number) => void): () => void {
  let lostAt: number | undefined;
  return gw.onState(({ status }) => {
    if (status === "reconnecting") lostAt ??= performance.now();
    if (status !== "open" || lostAt === undefined) return;
    back(performance.now() - lostAt);
    lostAt = undefined;
  });
}
