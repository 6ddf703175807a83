/** Which topics a pattern means. It knows no subscription. */

/** Tell whether a pattern means a topic: `*` is any one segment, and `**` at the end one or more. */
export function matches(pattern: string, topic: string): boolean {
  const wanted = pattern.split("/");
  const found = topic.split("/");
  const open = wanted.at(-1) === "**";
  if (open ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((segment, i) => segment === "*" || segment === found[i] || (open && i === wanted.length - 1));
}
