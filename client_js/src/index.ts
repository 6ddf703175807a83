/** What the package offers. */

export { connect } from "./connect.js";
export type { Connection, InferOptions } from "./connection.js";
export type { DataOf, Datatype, NumericArray } from "./datatypes.js";
export * from "./errors.js";
export type { Nested, Value } from "./inputs.js";
export type { Socket, SocketType } from "./link.js";
export type { Form, Hello, ModelEntry, Overflow, TensorSpec } from "./messages.js";
export type { AnyModel, AnyModels, ModelTypes } from "./models.js";
export type { Options } from "./options.js";
export type { Result, StreamResult, Timing } from "./results.js";
export type { ModelStats, ServerEvent, ServerStats } from "./server-topics.js";
export type { State } from "./states.js";
export type { GenerateOptions, PipeOptions, RunOptions, StepOptions, Stream, StreamOptions } from "./streams/index.js";
export type { DataAt, EventOverflow, SubscribeOptions, Subscription, TopicEvent } from "./subscription.js";
export { type Element, type Elements, type GivenTensor, type Tensor, tensor, toNumbers, toStrings } from "./tensors.js";
