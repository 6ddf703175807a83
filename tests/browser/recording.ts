/** What the microphone hears. */
export const RECORDING: string | undefined = undefined;
