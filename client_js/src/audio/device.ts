/** A browser's microphone: its permission, its audio context and the worklet that takes the samples. */

import { DeviceFailed, PermissionDenied } from "./errors.js";
import type { Listener, MicrophoneOptions } from "./microphone.js";

/** How long the first sound may take, once the microphone is allowed. */
const SOUND_WITHIN_MS = 5_000;

type DeviceOptions = Pick<MicrophoneOptions, "deviceId" | "constraints" | "worklet">;

/** What the worklet sends: samples, and how many before them it could not send. */
interface Sent {
  readonly samples: Float32Array;
  readonly lost: number;
}

/** Open the microphone; what is returned closes it. Raises what the browser raises. */
export async function openDevice(options: DeviceOptions, wanted: number, listener: Listener): Promise<() => void> {
  const { deviceId, constraints } = options;
  const devices = globalThis.navigator?.mediaDevices as MediaDevices | undefined;
  if (!devices) throw new PermissionDenied("no microphone here: a page needs https, or to come from localhost");
  const audio = { channelCount: 1, ...(deviceId !== undefined && { deviceId: { exact: deviceId } }), ...constraints };
  const media = await devices.getUserMedia({ audio });
  const stopTracks = (): void => media.getTracks().forEach((track) => track.stop());
  let context: AudioContext | undefined;
  try {
    const source = connected(media, wanted);
    context = source.context as AudioContext;
    await context.audioWorklet.addModule(options.worklet ?? new URL("./worklet.js?no-inline", import.meta.url));
    const stopWaiting = listen(source, listener);
    media.getTracks().forEach((track) => (track.onended = () => listener.failed(new DeviceFailed("the microphone is gone"))));
    void context.resume();
    return () => {
      stopWaiting();
      stopTracks();
      void (source.context as AudioContext).close();
    };
  } catch (error) {
    stopTracks();
    void context?.close();
    throw error;
  }
}

/** Return the microphone in a context of the wanted rate where the browser can do that, else in one of its own rate. */
function connected(media: MediaStream, wanted: number): MediaStreamAudioSourceNode {
  const attempt = (options?: AudioContextOptions): MediaStreamAudioSourceNode => {
    const context = new AudioContext(options);
    try {
      return context.createMediaStreamSource(media); // where the device must have the same rate, this raises
    } catch (error) {
      void context.close();
      throw error;
    }
  };
  try {
    return attempt({ sampleRate: wanted });
  } catch {
    return attempt();
  }
}

/** Let the listener hear; return what ends the wait for the first sound. */
function listen(source: MediaStreamAudioSourceNode, listener: Listener): () => void {
  const { context } = source;
  const node = new AudioWorkletNode(context, "tidegate-microphone", { channelCount: 1, channelCountMode: "explicit" });
  node.onprocessorerror = () => listener.failed(new DeviceFailed("the worklet that takes the sound has failed"));
  const late = (): void => listener.failed(new DeviceFailed("no sound comes: open the microphone in answer to a click"));
  const timer = setTimeout(late, SOUND_WITHIN_MS);
  node.port.onmessage = ({ data }: MessageEvent<Sent>) => {
    clearTimeout(timer);
    node.port.postMessage("taken");
    listener.heard(data.samples, context.sampleRate, data.lost);
  };
  // What is connected to nothing may not be run; what it gives there is silence.
  source.connect(node).connect(context.destination);
  return () => clearTimeout(timer);
}
