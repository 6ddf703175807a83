/** When somebody spoke: times found in a row of probabilities. Pure. */

const SPEECH = 0.5;
const BRIDGED_S = 0.3; // pauses that are shorter belong to what is said

/** From when to when somebody spoke, in seconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export function isSpeech(probability: number): boolean {
  return probability >= SPEECH;
}

export class Spans {
  readonly found: Span[] = [];
  private count = 0;

  constructor(private readonly stepS: number) {}

  /** Take in the next probability; return whether the last span is new or has grown. */
  add(probability: number): boolean {
    const [from, to] = [this.count * this.stepS, ++this.count * this.stepS];
    if (!isSpeech(probability)) return false;
    const last = this.found.at(-1);
    if (last && from - last.to < BRIDGED_S) this.found[this.found.length - 1] = { from: last.from, to };
    else this.found.push({ from, to });
    return true;
  }
}
