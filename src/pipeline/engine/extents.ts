/** Ranges of bytes of a file. */

/** Bytes [begin, end). */
export type Extent = readonly [begin: number, end: number];

/** What extents leave out of a file. Throws a RangeError where they overlap or do not fit. */
export function gapsOf(path: string, byteLength: number, extents: readonly Extent[]): readonly Extent[] {
  const gaps: Extent[] = [];
  let covered = 0;
  for (const [begin, end] of [...extents].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (!Number.isSafeInteger(begin) || begin < covered || end > byteLength) {
      throw new RangeError(
        `${path}: bytes ${begin}..${end} overlap others or lie outside ${byteLength} bytes`,
      );
    }
    if (begin > covered) gaps.push([covered, begin]);
    covered = end;
  }
  if (byteLength > covered) gaps.push([covered, byteLength]);
  return gaps;
}

/** How far a file is whole from its start, as parts of it arrive in any order. */
export class Prefix {
  /** By begin. */
  readonly #parts = new Map<number, number>();
  #end = 0;

  get end(): number {
    return this.#end;
  }

  /** Throws a RangeError for a part that came before. */
  add([begin, end]: Extent): void {
    if (begin < end && (begin < this.#end || this.#parts.has(begin))) {
      throw new RangeError(`bytes ${begin}..${end} came before`);
    }
    if (begin < end) this.#parts.set(begin, end);
    for (let next = this.#parts.get(this.#end); next !== undefined; next = this.#parts.get(this.#end)) {
      this.#parts.delete(this.#end);
      this.#end = next;
    }
  }
}
