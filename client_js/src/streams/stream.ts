/** A stream as the program sees it: steps to await, results to iterate over. It knows nothing of how they travel. */

import type { ModelFacts } from "../catalogue.js";
import { type Data, type Tensors, write } from "../codec.js";
import { Cancelled, InvalidMessage } from "../errors.js";
import { asPrompt, asStep, asTensors, type Value } from "../inputs.js";
import type { ClientMessage, Scalar } from "../messages.js";
import type { AnyModel, ModelTypes } from "../models.js";
import { timeLimit } from "../options.js";
import type { StreamResult } from "../results.js";
import type { StreamHost } from "./host.js";
import type { StreamLog } from "./log.js";
import type { GenerateOptions, PipeOptions, RunOptions, StepOptions, StreamOptions } from "./options.js";
import { Errand } from "./requests.js";
import { type Chunks, run } from "./run.js";
import { Steps } from "./steps.js";

/** Steps that `run` has at the gateway at a time: enough to hide the way there, and few enough to be cancelled soon. */
const AHEAD = 8;

/**
 * An ordered conversation with one model, whose state the gateway keeps.
 *
 * It outlives its connection: after a cut it goes on where it was on the next one. No step runs twice and no result is lost or
 * comes twice; `ResumeFailed` says so if the gateway does not have the stream any more.
 *
 * Steps run in the order in which they were asked for, each on the state that the one before it left. A step that fails, or is
 * given up before it runs, leaves the state as it was before it; those that were asked for behind it meanwhile fail with
 * `UnexpectedStep` and do not run.
 */
export class Stream<M extends ModelTypes = AnyModel> {
  private constructor(
    private readonly host: StreamHost,
    private readonly options: StreamOptions,
    private readonly log: StreamLog,
  ) {}

  /** Open a stream; `Connection.stream` does it. */
  static async open<M extends ModelTypes>(
    host: StreamHost,
    model: string,
    constants: Readonly<Record<string, Value>>,
    options: StreamOptions,
  ): Promise<Stream<M>> {
    const { version, outputs, overflow, window = 256, priority, publish, snapshot } = options;
    if (!(window >= 1)) throw new RangeError(`window must be at least 1, not ${window}`);
    if (snapshot && Object.keys(constants).length) throw new TypeError("a snapshot has its constants with it");
    const log = host.create(model, window);
    const given: Tensors = snapshot
      ? { snapshot: { datatype: "UINT8", shape: [snapshot.length], data: snapshot } }
      : asTensors(constants, host.catalogue.of(model, version).inputs);
    const payload = host.session.payload(given);
    const stream = new Stream<M>(host, options, log);
    await stream.errand(log, log, (id) =>
      payload.write({
        op: "open",
        id,
        stream: log.name,
        model_name: model,
        until: window,
        ...(version !== undefined && { model_version: version }),
        ...(outputs?.length && { outputs: outputs.map((name) => ({ name })) }),
        ...(overflow && { overflow }),
        ...(snapshot && { from_snapshot: true }),
        ...(priority && { priority }),
        ...(publish !== undefined && { publish }),
      }),
    );
    return stream;
  }

  get model(): string {
    return this.log.model;
  }

  get version(): string {
    return this.log.version;
  }

  /** How many results were dropped, by `overflow`. */
  get dropped(): number {
    return this.log.sequence.dropped;
  }

  /** Whether anything can be asked of it; after a lost connection it still is open. */
  get isOpen(): boolean {
    return !this.log.ended && !this.log.closing;
  }

  /**
   * Go one step on, and wait for its last result. `inputs` are tensors by name, or the one that the model's steps take.
   *
   * Raises what the step failed with; the stream goes on with the next one.
   */
  async step(inputs: M["step"] | Value, { timeout, signal }: StepOptions = {}): Promise<StreamResult<M["results"]>> {
    signal?.throwIfAborted();
    const steps = this.steps();
    const abort = (): void => steps.wake();
    signal?.addEventListener("abort", abort);
    try {
      steps.begin(this.tensors(inputs), this.limit(timeout));
      for (let last; ;) {
        signal?.throwIfAborted();
        last = steps.take() ?? last;
        if (last?.final) return last as StreamResult<M["results"]>;
        if (!steps.ahead) throw new Cancelled("the step's result was dropped by the stream's overflow policy", "dropped");
        await steps.change();
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      steps.close();
    }
  }

  /**
   * Take a step for each chunk, and yield all their results in order.
   *
   * Chunks are drawn only as fast as results are taken. What they raise is raised after the results of the chunks before; an
   * error of a step is raised in its place, and those behind it are not run. Leaving the loop gives up the steps that have not
   * begun; the stream goes on.
   */
  run(
    chunks: Chunks<M["step"] | Value>,
    options: RunOptions = {},
  ): AsyncGenerator<StreamResult<M["results"]>, void, undefined> {
    return this.each(chunks, (chunk) => chunk, options);
  }

  /**
   * `run` with a source of values, such as a microphone, as the input of this name; without a name, as the one that the model's
   * steps take. When the results are taken too slowly, it is the source that waits, or drops.
   */
  pipe(
    source: Chunks<Value>,
    { inputName, ...options }: PipeOptions = {},
  ): AsyncGenerator<StreamResult<M["results"]>, void, undefined> {
    return this.each(source, (chunk) => (inputName === undefined ? chunk : { [inputName]: chunk }), options);
  }

  /** Let the model go on from a prompt, and yield a result for each token as it is made. Leaving the loop ends it. */
  async *generate(options: GenerateOptions): AsyncGenerator<StreamResult<M["results"]>, void, undefined> {
    const { prompt, signal, timeout, maxSteps, temperature, topK, topP, seed } = options;
    const wishes = { max_steps: maxSteps, temperature, top_k: topK, top_p: topP, seed };
    const parameters = Object.fromEntries(Object.entries(wishes).filter(([, wish]) => wish !== undefined)) as Record<
      string,
      Scalar
    >;
    const limit = this.limit(timeout);
    const steps = this.steps();
    const abort = (): void => this.host.cancel(this.log);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    try {
      yield* run(steps, [prompt], (chunk) => steps.begin(asPrompt(chunk), limit, parameters), 1) as AsyncGenerator<
        StreamResult<M["results"]>
      >;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * Cancel the steps that were asked for, and wait until they have ended: a generation by its last result, others by
   * `Cancelled` or, if it was too late, by their result. The stream goes on.
   */
  async cancel(): Promise<void> {
    const idle = new Promise<void>((resolve) => this.log.line.whenIdle(resolve));
    this.host.cancel(this.log);
    await idle;
  }

  /** Return the state behind the steps that were asked for so far: `stream(model, {}, { snapshot })` goes on from it. */
  async snapshot(): Promise<Uint8Array> {
    const { log } = this;
    const { snapshot } = await this.errand(log, undefined, (id) => this.write({ op: "snapshot", id, stream: log.name }));
    if (snapshot?.datatype !== "UINT8") throw new InvalidMessage("the gateway sent a snapshot with nothing in it");
    return snapshot.data.slice();
  }

  /** Return another stream that goes on from the state behind the steps that were asked for so far. It has to be closed, too. */
  async fork(): Promise<Stream<M>> {
    const { log } = this;
    const made = this.host.create(log.model, log.sequence.window);
    await this.errand(log, made, (id) => this.write({ op: "fork", id, stream: log.name, to: made.name }));
    return new Stream<M>(this.host, this.options, made);
  }

  /** Let the steps that were asked for come to their end, and end the stream; waits for that for `closeTimeout` at most. */
  async close(): Promise<void> {
    const { log, host } = this;
    const { session } = host;
    if (!this.isOpen) return;
    await new Promise<void>((resolve) => {
      const stop = session.clock.after(session.options.closeTimeout, resolve);
      const end = (): void => (stop(), resolve());
      const message = (): Data => this.write({ op: "close", stream: log.name });
      host.add(new Errand(session.clock, Infinity, session.nextId(), log, undefined, { resolve: end, reject: end }, message));
      log.closing = true;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private each<T>(
    chunks: Chunks<T>,
    inputs: (chunk: T) => unknown,
    { timeout, signal }: RunOptions,
  ): AsyncGenerator<StreamResult<M["results"]>, void, undefined> {
    const steps = this.steps();
    const limit = this.limit(timeout);
    const begin = (chunk: T): void => steps.begin(this.tensors(inputs(chunk)), limit);
    const most = Math.min(AHEAD, this.log.line.mostSteps);
    return run(steps, chunks, begin, most, signal) as AsyncGenerator<StreamResult<M["results"]>>;
  }

  private errand(log: StreamLog, made: StreamLog | undefined, message: (id: number) => Data): Promise<Tensors> {
    const { session } = this.host;
    return new Promise((resolve, reject) => {
      const id = session.nextId();
      this.host.add(new Errand(session.clock, this.limit(), id, log, made, { resolve, reject }, () => message(id)));
    });
  }

  private steps(): Steps {
    return new Steps(this.host, this.log);
  }

  private tensors(inputs: unknown): Tensors {
    return asStep(inputs as Value, this.facts.takes, this.facts.inputs);
  }

  private limit(timeout = this.options.timeout): number {
    return timeLimit(this.host.session.options, timeout);
  }

  private get facts(): ModelFacts {
    return this.host.catalogue.of(this.log.model, this.options.version);
  }

  private write(message: ClientMessage): Data {
    return write(message, this.host.session.options.form);
  }
}
