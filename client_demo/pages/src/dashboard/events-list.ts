/** The list of what happened, the newest on top; bounded. */

import { make } from "../shell/dom.js";
import { clockTime } from "../shell/format.js";

const MOST = 100;
const BAD = /fail|restart|lost|drain|missed/;

export class EventsList {
  constructor(
    private readonly list: HTMLElement,
    private readonly empty: HTMLElement,
  ) {}

  /** Add something that happened at a Unix time in milliseconds. */
  add(atMs: number, kind: string, message: string): void {
    this.empty.hidden = true;
    const time = make("time", { datetime: new Date(atMs).toISOString() }, clockTime(atMs));
    const badge = make("span", { class: `badge ${BAD.test(kind) ? "warn" : "muted"}` }, kind.replaceAll("_", " "));
    const item = make("li", { "data-at": atMs }, time, badge, make("span", {}, message));
    const older = [...this.list.children].find((each) => Number((each as HTMLElement).dataset.at) <= atMs);
    this.list.insertBefore(item, older ?? null);
    while (this.list.childElementCount > MOST) this.list.lastElementChild?.remove();
  }
}
