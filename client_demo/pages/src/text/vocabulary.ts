/** From text to the numbers that a model has for its characters; its description lists them. Pure. */

import type { ModelEntry } from "tidegate";
import { whyNot } from "../demo/served.js";

export class Vocabulary {
  private readonly tokens: ReadonlyMap<string, number>;

  private constructor(characters: readonly string[]) {
    this.tokens = new Map(characters.map((character, token) => [character, token]));
  }

  /** Take it from what the gateway says of its models. Raises Error if the model is not served. */
  static of(models: readonly ModelEntry[], name: string): Vocabulary {
    const entry = models.find((each) => each.name === name && each.state === "ready");
    if (!entry) throw new Error(whyNot(models, name));
    const { loop } = entry.stream as { readonly loop: { readonly vocab: readonly string[] } };
    return new Vocabulary(loop.vocab);
  }

  /** Return the characters that the model does not know. */
  unknown(text: string): string[] {
    return [...new Set(text)].filter((character) => !this.tokens.has(character));
  }

  encode(text: string): number[] {
    return [...text].map((character) => this.tokens.get(character)!);
  }
}
