/** A client with streams, and what its results are read by. */

import type { StreamResult } from "../src/results.js";
import type { Stream, StreamOptions } from "../src/streams/index.js";
import { FakeStreams } from "./fake-streams.js";
import { encodeMessage, HELLO, settle, World } from "./world.js";

/** A client and a gateway with streams of the model `sum`. */
export class StreamWorld extends World {
  readonly streams = new FakeStreams();

  constructor() {
    super();
    this.gateway = this.streams.gateway;
    this.hello = { ...HELLO, ...this.streams.newSession() };
  }

  advance(most?: number): void {
    this.streams.advance((message, tensors) => void this.link.down.push(encodeMessage(message, tensors)), most);
  }

  override async flow(): Promise<void> {
    do {
      this.up();
      this.advance();
      this.down();
      await settle();
    } while (this.link.up.length || this.link.down.length);
  }

  override reconnect(): Promise<void> {
    return super.reconnect({ ...HELLO, ...this.streams.newSession() });
  }

  /** Wait until a stream is asked for: the module of streams has to be loaded for that. */
  async asked(): Promise<void> {
    while (!this.link.up.length) await settle();
  }

  async stream(options: StreamOptions = {}): Promise<Stream> {
    const opening = (this.connection ?? (await this.open())).stream("sum", {}, options);
    await this.asked();
    await this.flow();
    return opening;
  }
}

export function sumOf(result: StreamResult): number {
  return Number((result.outputs.sum!.data as BigInt64Array)[0]);
}

export function sums(results: readonly PromiseSettledResult<StreamResult>[]): unknown[] {
  return results.map((each) => (each.status === "fulfilled" ? sumOf(each.value) : (each.reason as Error).constructor));
}
