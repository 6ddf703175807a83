/** Where a gateway is: completes what people type to the address that is dialled. */

/** Return the address: `http` becomes `ws`, a host alone gets `/v1`, and no address means the one of the page. */
export function complete(url: string | URL | undefined): string {
  const here = (globalThis as { location?: { href: string } }).location?.href;
  const full = new URL(url ?? "/v1", here ?? "ws://127.0.0.1:8000");
  full.protocol = full.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(full.protocol)) throw new TypeError(`${url} is no address such as ws://127.0.0.1:8000`);
  full.hash = "";
  full.pathname = full.pathname.replace(/\/+$/, "") || "/v1";
  return full.href;
}
