/** What the client remembers of the served models: what they take, and whether they are pure. It asks nobody. */

import { type Datatype, isDatatype } from "./datatypes.js";
import { isMap, type ModelEntry } from "./messages.js";

/** What is known of an input; `datatypes` has the model's own first. */
export interface InputFacts {
  readonly datatypes: readonly Datatype[];
  readonly shape?: readonly number[];
  readonly batchAxis?: number | null;
}

export interface ModelFacts {
  /** Whether running it twice does no harm. */
  readonly pure: boolean;
  readonly inputs: ReadonlyMap<string, InputFacts>;
  /** The inputs that a step of a stream brings. */
  readonly takes: ReadonlyMap<string, InputFacts>;
}

/** What is assumed of a model that is not known: that it is not pure, and that its inputs are right as they are. */
const NOTHING: ModelFacts = { pure: false, inputs: new Map(), takes: new Map() };

export class Catalogue {
  private facts = new Map<string, ModelFacts>();

  /** Take in the list that the gateway gave; models that do not serve are skipped. */
  learn(models: readonly unknown[]): void {
    const facts = new Map<string, ModelFacts>();
    const chosen = new Map<string, string>();
    for (const entry of models.filter(isMap) as unknown as ModelEntry[]) {
      const { name, version, state } = entry;
      if (typeof name !== "string" || typeof version !== "string" || (state ?? "ready") !== "ready") continue;
      facts.set(key(name, version), factsOf(entry));
      const before = chosen.get(name);
      if (before === undefined || comesAfter(version, before)) {
        chosen.set(name, version);
        facts.set(key(name), factsOf(entry));
      }
    }
    this.facts = facts;
  }

  knows(name: string, version?: string): boolean {
    return this.facts.has(key(name, version));
  }

  of(name: string, version?: string): ModelFacts {
    return this.facts.get(key(name, version)) ?? NOTHING;
  }
}

function key(name: string, version?: string): string {
  return JSON.stringify([name, version]);
}

/** Tell whether the gateway would choose this version rather than the other: the highest number, else the last in order. */
function comesAfter(version: string, other: string): boolean {
  const [a, b] = [version, other].map((each) => /^\d+$/.test(each));
  return a === b ? version.localeCompare(other, "en", { numeric: true }) > 0 : a!;
}

function factsOf(entry: ModelEntry): ModelFacts {
  const stream = isMap(entry.stream) ? entry.stream : {};
  return { pure: entry.pure === true, inputs: inputsOf(entry.inputs), takes: inputsOf(stream.inputs) };
}

function inputsOf(list: unknown): Map<string, InputFacts> {
  const specs = Array.isArray(list) ? list.filter(isMap) : [];
  return new Map(specs.map((spec) => [String(spec.name), inputOf(spec)]));
}

function inputOf(spec: Record<string, unknown>): InputFacts {
  const datatypes = Array.isArray(spec.datatypes) ? spec.datatypes : [spec.datatype];
  const shape = Array.isArray(spec.shape) ? { shape: spec.shape as number[] } : {};
  return { datatypes: datatypes.filter(isDatatype), ...shape, batchAxis: spec.batch_axis as number | null };
}
