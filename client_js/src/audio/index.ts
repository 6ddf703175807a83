/** What `tidegate/audio` offers: sound from a browser's microphone, as models take it. */

import { openDevice } from "./device.js";
import { Microphone, type MicrophoneOptions, type SamplesOf } from "./microphone.js";

export { DeviceFailed, NoDevice, PermissionDenied } from "./errors.js";
export { Microphone, type MicrophoneOptions, type SamplesOf } from "./microphone.js";
export { Resampler } from "./resampler.js";

/**
 * Open a microphone, and give what it hears as chunks: `for await (const result of stream.pipe(microphone()))`. Call it in
 * answer to a click: some browsers let no sound through otherwise.
 */
export function microphone<D extends keyof SamplesOf = "FP32">(options: MicrophoneOptions<D> = {}): Microphone<D> {
  return new Microphone(options, (listener) => openDevice(options, options.sampleRate ?? 16000, listener));
}
