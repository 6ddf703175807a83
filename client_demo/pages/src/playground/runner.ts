/** Sends calls and says what came back and how long it took. It knows no document. */

import type { Connection, Stream, StreamResult, Tensor, Timing } from "tidegate";
import { type Call, given, tensors } from "./call.js";

export interface Answer {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly timing: Timing;
  /** From sending to having it, of the last one if there were many. */
  readonly roundTripMs: number;
  /** Of a stream's step: its number. */
  readonly step?: number;
  /** What many at once took together. */
  readonly many?: {
    readonly times: number;
    readonly totalMs: number;
    readonly medianMs: number;
    readonly largestBatch: number;
  };
}

export class Runner {
  private stream: Stream | undefined;
  private opened = ""; // what the stream was opened with

  constructor(private readonly gw: Connection) {}

  /** Ask so many times at once. Raises what the first failure was. */
  async infer(call: Call, times: number): Promise<Answer> {
    const inputs = tensors(call.inputs);
    const start = performance.now();
    const one = async (): Promise<Answer> => {
      const result = await this.gw.infer(call.model, inputs, { version: call.version });
      return { ...result, roundTripMs: performance.now() - start };
    };
    const answers = await Promise.all(Array.from({ length: times }, one));
    const last = answers.reduce((a, b) => (b.roundTripMs > a.roundTripMs ? b : a));
    if (times === 1) return last;
    const sorted = answers.map(({ roundTripMs }) => roundTripMs).sort((a, b) => a - b);
    const largestBatch = Math.max(...answers.map(({ timing }) => timing.batchSize));
    return { ...last, many: { times, totalMs: last.roundTripMs, medianMs: sorted[times >> 1]!, largestBatch } };
  }

  /** Take the next step of the stream; one is opened first if there is none, or only one with other constants. */
  async step(call: Call): Promise<Answer> {
    const stream = await this.streamOf(call);
    const start = performance.now();
    const result = await stream.step(tensors(call.inputs));
    return { ...result, roundTripMs: performance.now() - start };
  }

  /** Yield each token as it is made. */
  generate(call: Call, signal: AbortSignal): AsyncGenerator<StreamResult, void, undefined> {
    const { maxSteps, temperature } = call.wishes;
    const prompt = given(call.inputs[0]!);
    return this.gw.generate(call.model, { prompt, maxSteps, temperature, signal, version: call.version });
  }

  /** Close the stream; the next step begins a new one. */
  async forget(): Promise<void> {
    const { stream } = this;
    this.stream = undefined;
    await stream?.close();
  }

  private async streamOf(call: Call): Promise<Stream> {
    const wanted = JSON.stringify([call.model, call.version, call.constants]);
    if (this.stream?.isOpen && this.opened === wanted) return this.stream;
    await this.forget();
    this.stream = await this.gw.stream(call.model, tensors(call.constants), { version: call.version });
    this.opened = wanted;
    return this.stream;
  }
}
