/** What every page does first: theme, and one connection to the gateway that it came from, whose state the header shows. */

import { connect, type Connection } from "tidegate";
import { byId } from "./dom.js";
import { Journal } from "./journal.js";
import { wireTheme } from "./theme.js";

/** How long the page says that it is connected again. */
const TOLD_MS = 8_000;

/** Make the header work; return the connection once it is open, which may be when the gateway has come back. */
export function startPage(): Promise<Connection> {
  wireTheme(byId("theme", HTMLButtonElement));
  document.querySelector(".top [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  const pill = byId("connection", HTMLElement);
  const journal = new Journal();
  return connect(undefined, {
    connectTimeout: Infinity,
    onState(state) {
      document.documentElement.dataset.connection = pill.dataset.status = state.status;
      pill.textContent = state.status === "open" ? "connected" : state.status;
      const told = journal.note(state, Date.now());
      if (told) tell(told.text, told.kind);
    },
  });
}

let clearing: ReturnType<typeof setTimeout> | undefined;

/** Say one sentence below the header: `bad` stays until the next one, `good` goes by itself. */
export function tell(text: string, kind: "good" | "bad"): void {
  const notice = byId("notice", HTMLElement);
  clearTimeout(clearing);
  notice.textContent = text;
  notice.dataset.kind = kind;
  notice.hidden = false;
  if (kind === "good") clearing = setTimeout(() => (notice.hidden = true), TOLD_MS);
}
