/** A microphone as the program sees it: chunks to iterate over. It knows no browser: what opens the device is given to it. */

import { Feed } from "../feed.js";
import { Chunker, loudness, Newest, toInt16 } from "./chunks.js";
import { asAudioError } from "./errors.js";
import { Resampler } from "./resampler.js";

/** What holds the samples of a chunk. */
export interface SamplesOf {
  FP32: Float32Array;
  INT16: Int16Array;
}

export interface MicrophoneOptions<D extends keyof SamplesOf = "FP32"> {
  /** Samples in a second. @default 16000 */
  readonly sampleRate?: number;
  /** Samples in a chunk. @default 512 */
  readonly chunk?: number;
  /** `FP32` for samples from −1 to 1, or `INT16`. @default "FP32" */
  readonly datatype?: D;
  /** Chunks that wait here at most; when there are more, the oldest are dropped. @default 32 */
  readonly maxQueued?: number;
  /** The microphone, as `navigator.mediaDevices.enumerateDevices` names it, instead of the usual one. */
  readonly deviceId?: string;
  /** What the browser is asked for beside, such as `{ noiseSuppression: false }`. */
  readonly constraints?: MediaTrackConstraints;
  /** Where the package's `audio/worklet.js` is, if a bundler does not find it by itself. */
  readonly worklet?: string | URL;
  /** Closes it. */
  readonly signal?: AbortSignal;
}

/** Who hears what a device brings. */
export interface Listener {
  /** Samples of one channel; `lost` before them were not brought in time. */
  heard(samples: Float32Array, rate: number, lost: number): void;
  /** It brings nothing any more. */
  failed(error: unknown): void;
}

/** Opens a device; what it returns closes it. */
export type OpenDevice = (listener: Listener) => Promise<() => void>;

/**
 * Sound in chunks of one length, as it comes. A program that does not take them in time loses the oldest: `dropped` says how
 * many. Leaving the loop over it closes it; so does its signal, or `close`, behind which the chunks that wait still come.
 *
 * Iterating over it raises PermissionDenied, NoDevice or DeviceFailed.
 */
export class Microphone<D extends keyof SamplesOf = "FP32"> implements AsyncIterableIterator<SamplesOf[D], undefined> {
  /** How loud it is now, from 0 to 1: the root of the mean of the squares of about the last 10 ms. */
  level = 0;
  /** Resolves when the device is open, which may take until the person has allowed it. Raises what iterating raises. */
  readonly opened: Promise<void>;
  private readonly feed = new Feed<SamplesOf[D]>(() => this.queue.take());
  private readonly queue: Newest<SamplesOf[D]>;
  private readonly chunker: Chunker;
  private readonly rate: number;
  private readonly chunk: number;
  private resampler: Resampler | undefined;
  private lost = 0; // seconds
  private isClosed = false;
  private readonly device: Promise<() => void>;

  constructor(
    private readonly options: MicrophoneOptions<D>,
    open: OpenDevice,
  ) {
    const { sampleRate = 16000, chunk = 512, maxQueued = 32, signal } = options;
    for (const [name, value] of Object.entries({ sampleRate, chunk, maxQueued })) {
      if (!(Number.isInteger(value) && value > 0)) throw new RangeError(`${name} must be a whole number above 0, not ${value}`);
    }
    this.rate = sampleRate;
    this.chunk = chunk;
    this.chunker = new Chunker(chunk);
    this.queue = new Newest(maxQueued);
    const failed = (error: unknown): void => this.end(asAudioError(error));
    this.device = open({ heard: (samples, rate, lost) => this.heard(samples, rate, lost), failed });
    this.device.catch(failed);
    this.opened = this.device.then(
      () => {},
      (error) => Promise.reject(asAudioError(error)),
    );
    this.opened.catch(() => {}); // told by `next`
    if (signal?.aborted) this.close();
    else signal?.addEventListener("abort", this.close);
  }

  /** How many chunks were lost, since they were not taken in time. */
  get dropped(): number {
    return this.queue.dropped + Math.round((this.lost * this.rate) / this.chunk);
  }

  next(): Promise<IteratorResult<SamplesOf[D], undefined>> {
    return this.feed.next();
  }

  /** Close the device. The chunks that wait can still be taken. */
  readonly close = (): void => this.end();

  async return(): Promise<IteratorResult<SamplesOf[D], undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  private heard(samples: Float32Array, rate: number, lost: number): void {
    if (this.isClosed) return;
    this.level = loudness(samples);
    this.lost += lost / rate;
    if (rate !== this.rate) this.resampler ??= new Resampler(rate, this.rate);
    for (const chunk of this.chunker.push(this.resampler?.push(samples) ?? samples)) {
      this.queue.put((this.options.datatype === "INT16" ? toInt16(chunk) : chunk) as SamplesOf[D]);
    }
    this.feed.wake();
  }

  private end(...error: [] | [unknown]): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.level = 0;
    this.options.signal?.removeEventListener("abort", this.close);
    this.device.then(
      (close) => close(),
      () => {},
    );
    this.feed.end(...error);
  }
}
