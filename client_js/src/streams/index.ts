/** The module of streams, which is loaded when the first one is opened. */

export { StreamHost } from "./host.js";
export { type GenerateOptions, type StepOptions, Stream, type StreamOptions } from "./stream.js";
