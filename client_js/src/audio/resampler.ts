/**
 * Sound of one sampling rate as sound of another, block by block. Pure.
 *
 * A polyphase filter: a sinc in a Kaiser window, which lets pass what is below 90 % of half the lower rate, and weakens what is
 * above that half, which would come back as another tone, by 80 dB or more. It delays by half its length: 50 samples of the
 * lower rate.
 */

const ATTENUATION_DB = 80;
const PASS = 0.9; // of half the lower rate
const BETA = 0.1102 * (ATTENUATION_DB - 8.7); // Kaiser's formulas for the window and for the length of the filter
const LENGTH = (ATTENUATION_DB - 7.95) / (14.36 * ((1 - PASS) / 2)); // in samples of the lower rate

export class Resampler {
  private readonly up: number;
  private readonly down: number;
  private readonly half: number; // samples before and after
  private readonly filters: Float32Array[]; // one for each place between two samples
  private input: Float32Array;
  private at: number; // the sample before, or at, the next one that is made
  private phase = 0; // how far behind it that is, in parts of `up`

  /** Rates are whole numbers, in Hz. */
  constructor(from: number, to: number) {
    for (const rate of [from, to])
      if (!(Number.isInteger(rate) && rate > 0)) throw new RangeError(`${rate} is no sampling rate`);
    const common = divisor(from, to);
    this.up = to / common;
    this.down = from / common;
    const width = Math.max(1, from / to);
    this.half = Math.ceil((LENGTH / 2) * width);
    this.filters = Array.from({ length: this.up }, (_, i) => filter(i / this.up, this.half, width));
    this.input = new Float32Array(this.half - 1); // before the beginning it was silent
    this.at = this.half - 1;
  }

  /** Return the samples that can be made now; the last ones need those that come next. */
  push(samples: Float32Array): Float32Array {
    const { half, filters, up, down } = this;
    const input = new Float32Array(this.input.length + samples.length);
    input.set(this.input);
    input.set(samples, this.input.length);
    const made: number[] = [];
    for (; this.at + half < input.length; this.at += Math.floor(this.phase / up), this.phase %= up) {
      const weights = filters[this.phase]!;
      const start = this.at - half + 1;
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * input[start + i]!;
      made.push(sum);
      this.phase += down;
    }
    const done = Math.min(this.at - half + 1, input.length);
    this.input = input.slice(done);
    this.at -= done;
    return Float32Array.from(made);
  }
}

/** Return the weights of the samples around a place between two of them; together they are 1. */
function filter(place: number, half: number, width: number): Float32Array {
  const cutoff = (1 + PASS) / 2 / width;
  const weights = Array.from({ length: 2 * half }, (_, i) => {
    const distance = place + half - 1 - i;
    const inside = 1 - (distance / half) ** 2;
    return inside > 0 ? sinc(cutoff * distance) * bessel(BETA * Math.sqrt(inside)) : 0;
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return Float32Array.from(weights, (weight) => weight / sum);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The modified Bessel function of order 0, as its series. */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let i = 1; term > 1e-12 * sum; i++) {
    term *= (x / 2 / i) ** 2;
    sum += term;
  }
  return sum;
}

function divisor(a: number, b: number): number {
  return b ? divisor(b, a % b) : a;
}
