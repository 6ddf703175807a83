/** Sound in Node: rates, chunks, queues and the microphone, whose device is played. The device itself is tested in a browser. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Chunker, loudness, Newest, toInt16 } from "../src/audio/chunks.js";
import { asAudioError, DeviceFailed, NoDevice, PermissionDenied } from "../src/audio/errors.js";
import { type Listener, Microphone, type MicrophoneOptions } from "../src/audio/microphone.js";
import { Resampler } from "../src/audio/resampler.js";
import { settle } from "./world.js";

function tone(hz: number, rate: number, seconds: number): Float32Array {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
}

/** Resample in blocks of the sizes that browsers have, and of none. */
function resampled(samples: Float32Array, from: number, to: number, sizes: readonly number[]): Float32Array {
  const resampler = new Resampler(from, to);
  const made: number[] = [];
  for (let at = 0, i = 0; at < samples.length; i++) {
    const size = sizes[i % sizes.length]!;
    made.push(...resampler.push(samples.subarray(at, at + size)));
    at += size;
  }
  return Float32Array.from(made);
}

/** Return how much of a tone is in some samples, its phase left open: 1 for the tone itself. */
function amplitude(samples: Float32Array, hz: number, rate: number): number {
  let [re, im] = [0, 0];
  samples.forEach((sample, i) => {
    re += sample * Math.cos((2 * Math.PI * hz * i) / rate);
    im += sample * Math.sin((2 * Math.PI * hz * i) / rate);
  });
  return (2 * Math.hypot(re, im)) / samples.length;
}

const WAYS = [
  [48000, 16000],
  [44100, 16000],
  [22050, 16000],
  [16000, 48000],
  [8000, 16000],
] as const;

for (const [from, to] of WAYS) {
  const lower = Math.min(from, to);

  test(`from ${from} to ${to} Hz a tone is the tone that mathematics has`, () => {
    for (const hz of [100, 1000, 0.25 * lower, 0.44 * lower]) {
      const made = resampled(tone(hz, from, 0.5), from, to, [128]);
      const expected = tone(hz, to, 0.5);
      const worst = made
        .subarray(200, -200)
        .reduce((most, sample, i) => Math.max(most, Math.abs(sample - expected[i + 200]!)), 0);
      assert(worst < 1e-3, `${hz} Hz: ${worst}`);
    }
  });

  test(`from ${from} to ${to} Hz what is constant stays so, and the lengths agree`, () => {
    const made = resampled(new Float32Array(from).fill(0.5), from, to, [441, 1, 0, 128]);
    assert(made.subarray(200).every((sample) => Math.abs(sample - 0.5) < 1e-5));
    assert(made.length <= to && made.length > to - 0.01 * to, `${made.length}`);
  });
}

test("tones that the lower rate cannot have are 80 dB weaker, and do not come back as others", () => {
  for (const from of [48000, 44100])
    for (const hz of [8050, 9000, 12000, 20000]) {
      const made = resampled(tone(hz, from, 0.5), from, 16000, [128]).subarray(200);
      assert(loudness(made) < 1.5e-4, `${hz} Hz of ${from}: ${loudness(made)}`);
    }
});

test("when the rate is raised, no images of a tone appear", () => {
  const made = resampled(tone(7000, 16000, 0.5), 16000, 48000, [128]).subarray(600, 600 + 19200);
  for (const hz of [9000, 23000]) assert(amplitude(made, hz, 48000) < 1e-4, `${hz} Hz: ${amplitude(made, hz, 48000)}`);
  assert(Math.abs(amplitude(made, 7000, 48000) - 1) < 1e-2);
});

test("how sound is cut in blocks changes nothing", () => {
  const sound = tone(1234, 44100, 0.2);
  const whole = resampled(sound, 44100, 16000, [sound.length]);
  assert.deepEqual(resampled(sound, 44100, 16000, [1, 2, 0, 500, 128]), whole);
});

test("a rate that is none is refused", () => {
  assert.throws(() => new Resampler(0, 16000), RangeError);
  assert.throws(() => new Resampler(48000, 16000.5), RangeError);
});

test("chunks have their length exactly, and lose nothing", () => {
  const chunker = new Chunker(512);
  const sound = tone(440, 16000, 1);
  const chunks: Float32Array[] = [];
  for (let at = 0, size = 1; at < sound.length; at += size, size = (size * 7) % 1300) {
    chunks.push(...chunker.push(sound.subarray(at, at + size)));
  }
  assert(chunks.every(({ length }) => length === 512));
  assert.deepEqual(Float32Array.from(chunks.flatMap((chunk) => [...chunk])), sound.slice(0, chunks.length * 512));
  assert.equal(chunks.length, Math.floor(16000 / 512));
});

test("samples as integers are the nearest, and no louder than integers can be", () => {
  assert.deepEqual(toInt16(Float32Array.of(0, 1, -1, 0.5, -2, 1e-5)), Int16Array.of(0, 32767, -32768, 16384, -32768, 0));
});

test("loudness is the root of the mean of squares", () => {
  assert(Math.abs(loudness(tone(100, 16000, 1)) - Math.SQRT1_2) < 1e-4);
  assert.equal(loudness(new Float32Array(0)), 0);
});

test("a queue keeps the newest and counts the others", () => {
  const queue = new Newest<number>(3);
  for (let i = 0; i < 10; i++) queue.put(i);
  assert.deepEqual([queue.dropped, queue.take(), queue.take(), queue.take(), queue.take()], [7, 7, 8, 9, undefined]);
});

test("what browsers raise has a class of its own", () => {
  assert(asAudioError(new DOMException("no", "NotAllowedError")) instanceof PermissionDenied);
  assert(asAudioError(new DOMException("none", "NotFoundError")) instanceof NoDevice);
  assert(asAudioError(new DOMException("busy", "NotReadableError")) instanceof DeviceFailed);
  assert.equal(asAudioError(new DOMException("no", "NotAllowedError")).code, "permission_denied");
});

/** A device that brings what it is told to. */
class Device {
  listener!: Listener;
  isOpen = false;

  microphone<D extends "FP32" | "INT16" = "FP32">(options: MicrophoneOptions<D> = {}, refusal?: unknown): Microphone<D> {
    return new Microphone(options, async (listener) => {
      this.listener = listener;
      if (refusal) throw refusal;
      this.isOpen = true;
      return () => void (this.isOpen = false);
    });
  }
}

test("a microphone gives chunks as they come, in the rate that is wanted", async () => {
  const device = new Device();
  const mic = device.microphone();
  await mic.opened;
  const waiting = mic.next();
  device.listener.heard(tone(1000, 48000, 0.1), 48000, 0);
  const { value } = await waiting;
  assert(value instanceof Float32Array && value.length === 512);
  const expected = tone(1000, 16000, 0.1);
  assert(value.subarray(100).every((sample, i) => Math.abs(sample - expected[i + 100]!) < 1e-3));
  assert(Math.abs(mic.level - Math.SQRT1_2) < 1e-2);
});

test("who is slow loses the oldest chunks and is told how many, those that the page itself lost counted", async () => {
  const device = new Device();
  const mic = device.microphone({ chunk: 160, maxQueued: 4, datatype: "INT16" });
  for (let i = 0; i < 10; i++) device.listener.heard(new Float32Array(160).fill(i / 100), 16000, 0);
  assert.equal(mic.dropped, 6);
  device.listener.heard(new Float32Array(0), 16000, 320);
  assert.equal(mic.dropped, 8);
  const { value } = await mic.next();
  assert(value instanceof Int16Array);
  assert.equal(value[0], Math.round(0.06 * 32768));
});

test("closing it closes the device, and what waits can still be taken", async () => {
  const device = new Device();
  const abort = new AbortController();
  const mic = device.microphone({ chunk: 2, signal: abort.signal });
  await mic.opened;
  device.listener.heard(Float32Array.of(1, 2, 3, 4, 5), 16000, 0);
  abort.abort();
  device.listener.heard(Float32Array.of(6, 7), 16000, 0);
  const chunks = [];
  for await (const chunk of mic) chunks.push([...chunk]);
  assert.deepEqual(chunks, [
    [1, 2],
    [3, 4],
  ]);
  assert.deepEqual([device.isOpen, mic.level], [false, 0]);
});

test("a microphone that was closed while the person was asked is not left open", async () => {
  const device = new Device();
  const mic = device.microphone();
  mic.close();
  assert.equal((await mic.next()).done, true);
  await settle();
  assert.equal(device.isOpen, false);
});

test("leaving the loop closes the device", async () => {
  const device = new Device();
  const mic = device.microphone({ chunk: 1 });
  device.listener.heard(Float32Array.of(1), 16000, 0);
  for await (const chunk of mic) if (chunk[0] === 1) break;
  await settle();
  assert.equal(device.isOpen, false);
});

test("a refusal and a device that fails are raised where chunks are waited for", async () => {
  const refused = new Device().microphone({}, new DOMException("no", "NotAllowedError"));
  await assert.rejects(refused.opened, PermissionDenied);
  await assert.rejects(refused.next(), PermissionDenied);
  assert.equal((await refused.next()).done, true);
  const device = new Device();
  const mic = device.microphone({ chunk: 1 });
  device.listener.heard(Float32Array.of(1), 16000, 0);
  device.listener.failed(new DeviceFailed("gone"));
  assert.equal((await mic.next()).done, false);
  await assert.rejects(mic.next(), DeviceFailed);
  await settle();
  assert.equal(device.isOpen, false);
});

test("options that cannot work are refused", () => {
  assert.throws(() => new Device().microphone({ chunk: 0 }), RangeError);
  assert.throws(() => new Device().microphone({ sampleRate: 0.5 }), RangeError);
});

test("the worklet sends blocks of 10 ms, and says how much it lost while the page did not listen", async () => {
  const sent: { samples: Float32Array; lost: number }[] = [];
  const port = { onmessage: () => {}, postMessage: (message: (typeof sent)[number]) => void sent.push(message) };
  let Processor!: new () => { process(inputs: Float32Array[][]): boolean };
  Object.assign(globalThis, {
    sampleRate: 16000,
    AudioWorkletProcessor: class {
      port = port;
    },
    registerProcessor: (_: string, type: typeof Processor) => (Processor = type),
  });
  await import("../src/audio/worklet.js");
  const processor = new Processor();
  assert(processor.process([[]])); // nothing is connected yet
  for (let i = 0; i < 5; i++) processor.process([[new Float32Array(128).fill(i)]]);
  assert.deepEqual(
    sent.map(({ samples, lost }) => [samples.length, lost]),
    Array(4).fill([160, 0]),
  );
  assert.deepEqual([sent[0]!.samples[127], sent[0]!.samples[128]], [0, 1]);
  for (let i = 0; i < 1000; i++) processor.process([[new Float32Array(128)]]);
  assert.equal(sent.length, 300);
  port.onmessage();
  for (let i = 0; i < 2; i++) processor.process([[new Float32Array(128)]]);
  assert.equal(sent.length, 301);
  assert(sent[300]!.lost >= 128000 - 300 * 160 - 320 && sent[300]!.lost % 160 === 0, `${sent[300]!.lost}`);
});
