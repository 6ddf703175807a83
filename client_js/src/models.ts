/** The types of a gateway's models: `npx tidegate types URL` writes them, so that a wrong tensor name is a compile error. */

import type { Value } from "./inputs.js";
import type { Tensor } from "./tensors.js";

/** What is known of one model at compile time: tensors by name. */
export interface ModelTypes {
  /** What `infer` takes and gives. */
  readonly inputs: object;
  readonly outputs: object;
  /** What a stream is opened with, what its steps bring, and what they give. */
  readonly constants: object;
  readonly step: object;
  readonly results: object;
}

/** What is assumed of a model of which nothing is known: any names. */
export interface AnyModel extends ModelTypes {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly constants: Readonly<Record<string, Value>>;
  readonly step: Readonly<Record<string, Value>>;
  readonly results: Readonly<Record<string, Tensor>>;
}

/** The models of a gateway by name. */
export type AnyModels = Record<string, AnyModel>;
export type ModelsLike<Models> = { [Name in keyof Models]: ModelTypes };
