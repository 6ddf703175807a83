/** FP16 and BF16, which JavaScript has no arrays of: from numbers to their bits and back. */

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** Round to the nearest integer, ties to even. */
function round(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return low + Number(rest > 0.5 || (rest === 0.5 && low % 2 === 1));
}

/** Return the bits of the nearest BF16, by way of FP32. */
export function toBf16(value: number): number {
  single[0] = value;
  return Number.isNaN(value) ? 0x7fc0 : round(bits[0]! / 65536) & 0xffff;
}

export function fromBf16(half: number): number {
  bits[0] = half << 16;
  return single[0]!;
}

/** Return the bits of the nearest FP16. */
export function toFp16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00; // what rounds beyond the largest is infinite
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -14)));
  // A double has room for all that without rounding.
  return sign | (round((size / 2 ** exponent) * 1024) + (exponent + 14) * 1024);
}

export function fromFp16(half: number): number {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + mantissa) * 2 ** (exponent - 25) : mantissa * 2 ** -24);
}
