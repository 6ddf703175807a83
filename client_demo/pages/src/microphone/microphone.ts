/** The page `/microphone`: is somebody speaking? */

import type { Connection } from "tidegate";
import { type Microphone, microphone } from "tidegate/audio";
import worklet from "../../../../client_js/src/audio/worklet.ts?worker&url";
import { onReturn } from "../demo/returns.js";
import { whyNot } from "../demo/served.js";
import { byId } from "../shell/dom.js";
import { seconds } from "../shell/format.js";
import { startPage, tell } from "../shell/page.js";
import { Board } from "./board.js";
import { CHUNK, CHUNK_S, listen, MODEL, RATE_HZ } from "./listen.js";
import "./microphone.css";

/** So much sound waits here while the connection is away; the gateway keeps a stream for as long. */
const KEPT_S = 60;
const REFRESH_MS = 250;
const LOUDEST = 0.3; // of the level meter; speech is seldom louder

const start = byId("start", HTMLButtonElement);
const stop = byId("stop", HTMLButtonElement);
const level = byId("level", HTMLMeterElement);
const board = new Board();
let open: Microphone | undefined;

async function hear(gw: Connection): Promise<void> {
  const source = microphone({
    sampleRate: RATE_HZ,
    chunk: CHUNK,
    maxQueued: Math.round(KEPT_S / CHUNK_S),
    constraints: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    worklet,
  });
  open = source;
  start.disabled = true;
  stop.disabled = false;
  board.begin();
  const refreshing = setInterval(() => refresh(source), REFRESH_MS);
  try {
    await listen(
      gw,
      source,
      (heard) => board.add(heard),
      (chunks) => board.note(lost(chunks)),
    );
  } finally {
    clearInterval(refreshing);
    source.close();
    refresh(source);
    board.end();
    open = undefined;
    start.disabled = false;
    stop.disabled = true;
  }
}

function refresh(source: Microphone): void {
  level.value = Math.min(1, source.level / LOUDEST);
  board.refresh(source.dropped);
}

function lost(chunks: number): string {
  return `The gateway was started anew and had lost the stream: of ${seconds(chunks * CHUNK_S * 1000)} of sound there is no result. Another stream goes on.`;
}

function complain(error: unknown): void {
  tell(error instanceof Error ? error.message : String(error), "bad");
}

async function begin(): Promise<void> {
  const gw = await startPage();
  const trouble = whyNot(await gw.models(), MODEL);
  if (trouble) throw new Error(trouble);
  onReturn(gw, (awayMs) => {
    if (open) board.back(awayMs);
  });
  start.addEventListener("click", () => void hear(gw).catch(complain));
  start.disabled = false;
}

stop.addEventListener("click", () => open?.close());
begin().catch(complain);
