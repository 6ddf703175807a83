/** What a program can meet when it wants to hear. It knows what browsers call it. */

import { TidegateError } from "../index.js";

/** The person, or the browser, does not let this page hear. */
export class PermissionDenied extends TidegateError {
  override get code() {
    return "permission_denied" as const;
  }
}
/** There is no microphone, or not the one that was asked for. */
export class NoDevice extends TidegateError {
  override get code() {
    return "no_device" as const;
  }
}
/** The microphone is there and brings no sound, or not any more. */
export class DeviceFailed extends TidegateError {
  override get code() {
    return "device_failed" as const;
  }
}

const BY_NAME: Record<string, new (message: string) => TidegateError> = {
  NotAllowedError: PermissionDenied,
  SecurityError: PermissionDenied,
  NotFoundError: NoDevice,
  OverconstrainedError: NoDevice,
};

/** Make an error of what the browser raises. */
export function asAudioError(raised: unknown): TidegateError {
  if (raised instanceof TidegateError) return raised;
  const { name = "Error", message = String(raised) } = raised as Partial<Error>;
  const type = BY_NAME[name] ?? DeviceFailed;
  return new type(`the microphone cannot be used: ${message || name}`);
}
