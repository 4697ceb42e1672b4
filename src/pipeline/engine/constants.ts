/**
 * Constants on their way into one file: every byte array once, at multiples of 64 bytes in the order in which they
 * came.
 */
import { createHash } from 'node:crypto';

const alignment = 64;

export class Constants {
  readonly #parts: { readonly bytes: Uint8Array; readonly offset: number }[] = [];
  /** By digest. */
  readonly #offsets = new Map<string, number>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Where the bytes stand. */
  add(bytes: Uint8Array): number {
    const key = createHash('sha256').update(bytes).digest('hex');
    const known = this.#offsets.get(key);
    if (known !== undefined) return known;
    const offset = Math.ceil(this.#size / alignment) * alignment;
    this.#parts.push({ bytes, offset });
    this.#offsets.set(key, offset);
    this.#size = offset + bytes.byteLength;
    return offset;
  }

  /** The file. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.#size);
    for (const { bytes, offset } of this.#parts) all.set(bytes, offset);
    return all;
  }
}
