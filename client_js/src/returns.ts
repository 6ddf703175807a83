/** When to try again at once: the network is there again, or somebody looks at the page again. Where no browser says so, never. */

/** Call something each time; return what ends that. */
export function onReturn(then: () => void): () => void {
  const stop = new AbortController();
  const { document: page, addEventListener: listen } = globalThis as Partial<typeof globalThis>;
  listen?.("online", then, stop);
  page?.addEventListener("visibilitychange", () => page.hidden || then(), stop);
  return () => stop.abort();
}
