/** How long a connection is cut, where a test cuts one: `npm run long` says longer. */

export const CUT_MS = Number(process.env.CUT_MS ?? 1_500);

/** How long a page may take to be back: a client that was away for long tries again after 20 s at most. */
export const PATIENCE_MS = CUT_MS < 5_000 ? 15_000 : 40_000;
