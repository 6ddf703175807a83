/** The module of the form `text`, which is loaded when a connection is told to write so. */

export { fromJson, toJson } from "./json-data.js";
// Keeps the core in one piece where a bundler splits by file: half a KiB less than in two.
export { connect } from "./connect.js";
