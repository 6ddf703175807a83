/**
 * Takes the samples where sound is made, and sends them to the page. It is a file of its own, since a strict page loads no other
 * code than files; and it imports nothing, since bundlers copy it as it is.
 */

interface Port {
  onmessage: (() => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

declare const sampleRate: number;
declare const AudioWorkletProcessor: new () => { readonly port: Port };
declare function registerProcessor(name: string, type: new () => { process(inputs: Float32Array[][]): boolean }): void;

/** The page gets so many blocks in a second, and may be behind by so many seconds before some are lost. */
const BLOCKS_PER_S = 100;
const BEHIND_S = 3;

class MicrophoneProcessor extends AudioWorkletProcessor {
  private block = new Float32Array(Math.ceil(sampleRate / BLOCKS_PER_S));
  private filled = 0;
  private behind = 0;
  private lost = 0;

  constructor() {
    super();
    this.port.onmessage = () => void this.behind--;
  }

  process([channels]: Float32Array[][]): boolean {
    for (const sample of channels?.[0] ?? []) {
      this.block[this.filled++] = sample;
      if (this.filled === this.block.length) this.send();
    }
    return true;
  }

  private send(): void {
    const { block: samples, lost } = this;
    this.filled = 0;
    if (this.behind >= BEHIND_S * BLOCKS_PER_S) {
      this.lost += samples.length;
      return;
    }
    this.behind++;
    this.lost = 0;
    this.block = new Float32Array(samples.length);
    this.port.postMessage({ samples, lost }, [samples.buffer]);
  }
}

registerProcessor("tidegate-microphone", MicrophoneProcessor);

export {};
