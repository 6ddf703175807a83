/** One WebSocket: whole messages in, whole messages out. It knows nothing above. */

import type { Data } from "./codec.js";

/** What this client uses of a WebSocket; a browser's is one, and so is that of the package `ws`. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: ((event: any) => void) | null; // eslint-disable-line -- DOM and ws type their events differently
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string | ArrayBuffer): void;
  close(code?: number, reason?: string): void;
}

export type SocketType = new (url: string, protocols: string[]) => Socket;

/** Who hears what happens on a link; nothing more is said after `lost`. */
export interface Listener {
  message(data: Data): void;
  /** It is gone; `final` if the gateway does not want this client back. */
  lost(reason: string, final: boolean): void;
}

/** A connection, or an attempt at one. */
export interface Link {
  /** Bytes that wait for the network. */
  readonly backlog: number;
  send(data: Data): void;
  /** Close it; the listener hears nothing any more. Resolves when the other side knows. */
  close(): Promise<void>;
}

export type Dial = (listener: Listener) => Link;

const TERMINAL = new Set([1002, 1003, 1007, 1008, 1009]);

/** Return what opens a link to a gateway. */
export function dialWith(type: SocketType, url: string, protocol: string): Dial {
  return (listener) => {
    const socket = new type(url, [protocol]);
    let trouble = "";
    let closed = (): void => {};
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event) => listener.message(event.data as Data);
    socket.onerror = (event) => void (trouble = (event as { message?: string }).message ?? "");
    socket.onclose = ({ code, reason }) => {
      socket.onmessage = null;
      const told = reason || trouble;
      const how = code === 1006 ? "cut without a close frame" : `closed by the gateway with code ${code}`;
      listener.lost(told ? `${how}: ${told}` : how, TERMINAL.has(code) || (code >= 4500 && code <= 4999));
      closed();
    };
    return {
      get backlog() {
        return socket.bufferedAmount;
      },
      // What is sent while it closes is lost, and browsers complain of it; that it is gone is about to be told.
      send: (data) => void (socket.readyState < 2 && socket.send(data)),
      close: () =>
        new Promise((resolve) => {
          if (socket.readyState === 3) return resolve();
          listener = { message() {}, lost() {} };
          closed = resolve;
          return socket.close(1000);
        }),
    };
  };
}
