/** The module of streams, which is loaded when the first one is opened. */

export { StreamHost } from "./host.js";
export type { GenerateOptions, PipeOptions, RunOptions, StepOptions, StreamOptions } from "./options.js";
export { Stream } from "./stream.js";
// Keeps the core in one piece where a bundler splits by file: half a KiB less than in two.
export { connect } from "../connect.js";
