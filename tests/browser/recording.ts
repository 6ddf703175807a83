/** What the microphone hears in tests: silence, a sentence of the demo's recordings, and silence. It knows WAV files. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SENTENCE = new URL("../../client_demo/data/austen_0880.wav", import.meta.url);
const HEADER = 44; // bytes: of 16-bit samples in one channel, with nothing beside them
const RATE_HZ = 16_000;

/** Seconds of silence before and after the sentence. */
export const SILENCE_S = 1.5;
/** When somebody speaks in the sentence itself; see the README beside the recordings. */
export const SPOKEN = { from: 0.21, to: 2.74 };

/** Write the file, with the sentence so many times; return its name, and what removes it. */
export function recording(times = 1): { readonly name: string; readonly seconds: number; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-"));
  const name = join(folder, "sentence.wav");
  const sentence = readFileSync(SENTENCE);
  const silence = Buffer.alloc(SILENCE_S * RATE_HZ * 2);
  const spoken = Array.from({ length: times }, () => [sentence.subarray(HEADER), silence]).flat();
  const samples = Buffer.concat([silence, ...spoken]);
  const header = Buffer.from(sentence.subarray(0, HEADER));
  header.writeUInt32LE(HEADER - 8 + samples.length, 4);
  header.writeUInt32LE(samples.length, HEADER - 4);
  writeFileSync(name, Buffer.concat([header, samples]));
  return { name, seconds: samples.length / 2 / RATE_HZ, remove: () => rmSync(folder, { recursive: true }) };
}
