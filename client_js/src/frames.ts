/**
 * Binary messages: a small header, and the bytes of tensors behind it, each at a multiple of 8.
 *
 *     | H (u32) | header | zeros | tensor 0 | zeros | tensor 1 | zeros | …
 *
 * It knows neither what a header says nor what a tensor is.
 */

import { InvalidMessage, TooLarge } from "./errors.js";

export const HEADER_BYTES = 65536;

export function align8(at: number): number {
  return (at + 7) & ~7;
}

/** Lay a header and the bytes of tensors out as one message. Return it, and where the tensors begin. */
export function join(header: Uint8Array, parts: readonly Uint8Array[]): { message: ArrayBuffer; bodyAt: number } {
  if (header.length > HEADER_BYTES) throw tooLarge(header.length);
  const bodyAt = align8(4 + header.length);
  const message = new ArrayBuffer(parts.reduce((size, part) => size + align8(part.length), bodyAt));
  new DataView(message).setUint32(0, header.length, true);
  const bytes = new Uint8Array(message);
  bytes.set(header, 4);
  let at = bodyAt;
  for (const part of parts) {
    bytes.set(part, at);
    at += align8(part.length);
  }
  return { message, bodyAt };
}

/** Return the header of a message. */
export function headerOf(message: ArrayBuffer): Uint8Array {
  const length = message.byteLength < 4 ? -1 : new DataView(message).getUint32(0, true);
  if (length >= 2 ** 24) throw new InvalidMessage("reserved bits are set");
  if (length > HEADER_BYTES) throw tooLarge(length);
  if (length < 0 || align8(4 + length) > message.byteLength) throw new InvalidMessage("the header is cut short");
  return new Uint8Array(message, 4, length);
}

function tooLarge(length: number): TooLarge {
  return new TooLarge(`a header of ${length} bytes, and not of at most ${HEADER_BYTES}`);
}

/** Goes over the tensors of a message, one after the other. */
export class Cutter {
  private at: number;

  constructor(
    private readonly message: ArrayBuffer,
    header: Uint8Array,
  ) {
    this.at = 4 + header.length;
    this.skipPadding();
  }

  /** Return where the next tensor begins, which has so many bytes. */
  cut(nbytes: number, where: string): number {
    const start = this.at;
    if (start + nbytes > this.message.byteLength) throw new InvalidMessage(`${where} is cut short`, { param: where });
    this.at += nbytes;
    this.skipPadding(where);
    return start;
  }

  /** Make sure that nothing is left. */
  end(): void {
    const left = this.message.byteLength - this.at;
    if (left) throw new InvalidMessage(`${left} bytes behind the last tensor`);
  }

  private skipPadding(param?: string): void {
    const end = align8(this.at);
    const padding = end <= this.message.byteLength && new Uint8Array(this.message, this.at, end - this.at);
    if (!padding || padding.some(Boolean))
      throw new InvalidMessage("padding that is not zeros up to the next multiple of 8", { param });
    this.at = end;
  }
}
