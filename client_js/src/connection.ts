/** The face of the SDK: a connection to a gateway. It turns calls into requests and knows nothing of how they travel. */

import { Catalogue } from "./catalogue.js";
import { ConnectionLost } from "./errors.js";
import { asTensors } from "./inputs.js";
import type { ModelEntry } from "./messages.js";
import type { AnyModel, AnyModels, ModelsLike } from "./models.js";
import { type Options, timeLimit } from "./options.js";
import { asResult, type Result, type StreamResult } from "./results.js";
import { Session, type World } from "./session.js";
import type { State } from "./states.js";
import { type DataAt, type SubscribeOptions, Subscription } from "./subscription.js";
import type { GenerateOptions, Stream, StreamHost, StreamOptions } from "./streams/index.js";
import type { Begun, TopicHost } from "./topics/index.js";

/** A model that is not in the list is looked for again at most this often. */
const RELEARN_MS = 1_000;

/** What an inference may be given beside its inputs. */
export interface InferOptions {
  /** A version of the model, instead of the one that the gateway would choose. */
  readonly version?: string;
  /** The outputs that are wanted, instead of all. */
  readonly outputs?: readonly string[];
  /** Time limit in milliseconds for everything, waiting included, instead of the connection's. */
  readonly timeout?: number;
  /** −8 … 0; a larger one is served first. */
  readonly priority?: number;
  /** A topic at which the result is told to whoever has subscribed to it. */
  readonly publish?: string;
  /** Cancels the request, here and on the gateway. */
  readonly signal?: AbortSignal;
}

type Name<Models> = keyof Models & string;

/**
 * A connection to a gateway; made by `connect`.
 *
 * A lost connection is opened again by itself, and requests wait for that within their time limits. After a cut, a request is
 * sent again if it certainly was not executed or if its model is pure, at most three times in all; otherwise it fails with
 * `ConnectionLost`, `maybeExecuted`.
 */
export class Connection<Models extends ModelsLike<Models> = AnyModels> {
  private readonly catalogue = new Catalogue();
  private readonly session: Session;
  private host: StreamHost | undefined; // once the module of streams is loaded
  private topics: TopicHost | undefined; // once that of subscriptions is
  private learning: Promise<unknown> | undefined;
  private learnedAt = -Infinity;
  private readonly listeners = new Set<(state: State) => void>();
  private readonly ready: Promise<void>;

  private constructor(options: Options, world: World) {
    let isReady = (): void => {};
    this.ready = new Promise((resolve) => (isReady = resolve));
    const onState = (state: State): void => {
      if (state.status === "closed") isReady();
      options.onState?.(state);
      for (const listener of this.listeners) listener(state);
    };
    const isPure = ({ message }: { message: Record<string, unknown> }): boolean =>
      this.catalogue.of(message.model_name as string, message.model_version as string | undefined).pure;
    this.session = new Session(
      { ...options, onState },
      world,
      isPure,
      () => void this.learn(options.openTimeout).then(isReady, isReady),
    );
  }

  /** Connect for the first time; `connect` does it. Raises ConnectionLost if that could not be done. */
  static async open<Models extends ModelsLike<Models>>(options: Options, world: World): Promise<Connection<Models>> {
    const connection = new Connection<Models>(options, world);
    connection.session.connect();
    await connection.ready;
    if (connection.state.status === "closed") throw new ConnectionLost(connection.state.reason);
    return connection;
  }

  /** Where the connection is. */
  get state(): State {
    return this.session.state;
  }

  /** Call something with the state, now and whenever it changes; return what ends that. */
  onState(listener: (state: State) => void): () => void {
    this.listeners.add(listener);
    listener(this.state);
    return () => void this.listeners.delete(listener);
  }

  /** Run a model once and wait for its result. Raises one of the errors, or the reason of the signal. */
  async infer<M extends Name<Models>>(
    model: M,
    inputs: Models[M]["inputs"],
    options: InferOptions = {},
  ): Promise<Result<Models[M]["outputs"]>> {
    const { version, outputs, priority, publish, signal } = options;
    signal?.throwIfAborted();
    const limit = timeLimit(this.session.options, options.timeout);
    const start = this.session.clock.now();
    // What is known is sent at once, so that a program may change its arrays then.
    if (!this.catalogue.knows(model, version)) await this.know(limit, signal);
    const tensors = asTensors(inputs as AnyModel["inputs"], this.catalogue.of(model, version).inputs);
    const message = {
      op: "infer",
      id: 0,
      model_name: model,
      ...(version !== undefined && { model_version: version }),
      ...(outputs?.length && { outputs: outputs.map((name) => ({ name })) }),
      ...(priority && { priority }),
      ...(publish !== undefined && { publish }),
    };
    const left = Math.max(1, limit - (this.session.clock.now() - start));
    const answer = await this.session.infer(message, this.session.payload(tensors), left, signal);
    return asResult(answer) as Result<Models[M]["outputs"]>;
  }

  /** Open a stream, an ordered conversation whose state the gateway keeps. Close it, or declare it with `await using`. */
  async stream<M extends Name<Models>>(
    model: M,
    constants?: Models[M]["constants"],
    options: StreamOptions = {},
  ): Promise<Stream<Models[M]>> {
    const limit = timeLimit(this.session.options, options.timeout);
    if (!this.catalogue.knows(model, options.version)) await this.know(limit);
    const { Stream, StreamHost } = await import("./streams/index.js");
    this.host ??= new StreamHost(this.session, this.catalogue);
    return Stream.open<Models[M]>(this.host, model, (constants ?? {}) as AnyModel["constants"], options);
  }

  /** Let a model go on from a prompt, and yield a result for each token as it is made. Leaving the loop ends the generation. */
  async *generate<M extends Name<Models>>(
    model: M,
    options: GenerateOptions & Pick<StreamOptions, "version" | "outputs" | "priority" | "publish">,
  ): AsyncGenerator<StreamResult<Models[M]["results"]>, void, undefined> {
    const stream = await this.stream(model, {}, options);
    try {
      yield* stream.generate(options);
    } finally {
      await stream.close();
    }
  }

  /**
   * Watch a topic: one of the gateway's own, such as `server/stats`, or one at which somebody publishes. In a pattern `*` is any
   * one segment, and `**` at the end one or more. Leaving the loop over it ends it.
   */
  subscribe<Topic extends string>(topic: Topic, options: SubscribeOptions = {}): Subscription<DataAt<Topic>> {
    return new Subscription(this.begin(topic, options));
  }

  private async begin(topic: string, options: SubscribeOptions): Promise<Begun> {
    const { TopicHost } = await import("./topics/index.js");
    this.topics ??= new TopicHost(this.session);
    return this.topics.subscribe(topic, options);
  }

  /** Ask which models are served. */
  async models(): Promise<readonly ModelEntry[]> {
    return this.learn(this.session.options.timeout);
  }

  /** Ask whether the gateway is there; return the milliseconds until its answer. */
  async ping(): Promise<number> {
    const start = this.session.clock.now();
    await this.session.ask("ping", this.session.options.timeout, false);
    return this.session.clock.now() - start;
  }

  /** Close the connection. What is unfinished fails with `ConnectionLost`. */
  async close(): Promise<void> {
    await this.session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async learn(timeout: number): Promise<readonly ModelEntry[]> {
    const { message } = await this.session.ask("models", timeout, true);
    const models = message?.op === "models" ? message.models : [];
    this.catalogue.learn(models);
    return models;
  }

  /** Find out about models that are not known; if that fails, the gateway will say why. */
  private async know(limit: number, signal?: AbortSignal): Promise<void> {
    const now = this.session.clock.now();
    if (!this.learning && now - this.learnedAt >= RELEARN_MS) {
      this.learnedAt = now;
      this.learning = this.learn(limit)
        .catch(() => {})
        .finally(() => (this.learning = undefined));
    }
    if (this.learning) await Promise.race([this.learning, aborted(signal)]);
  }
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
}
