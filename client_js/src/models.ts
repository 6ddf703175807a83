/** The types of a gateway's models: `npx tidegate types URL` writes them, so that a wrong tensor name is a compile error. */

import type { Value } from "./inputs.js";
import type { Tensor } from "./tensors.js";

/** What is known of one model at compile time. */
export interface AnyModel {
  /** What `infer` takes and gives. */
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** What a stream is opened with, what its steps bring, and what they give. */
  readonly constants: Readonly<Record<string, Value>>;
  readonly step: Readonly<Record<string, Value>>;
  readonly results: Readonly<Record<string, Tensor>>;
}

/** What is assumed if nothing is known: any name of any model. */
export type AnyModels = Record<string, AnyModel>;
