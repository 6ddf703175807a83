/** The module of subscriptions, which is loaded when the first one is made. */

export { type Begun, TopicHost } from "./host.js";
// Keeps the core in one piece where a bundler splits by file: half a KiB less than in two.
export { connect } from "../connect.js";
