/** Digests of files that are hashed from the start as they become whole. */
import { createHash, type Hash } from 'node:crypto';
import { readSync } from 'node:fs';
import { fail } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';

export interface HashTask {
  readonly path: string;
  readonly descriptor: number;
  /** Everything before is hashed; what was hashed before is not read again. */
  readonly end: number;
  /** Nothing comes after. */
  readonly last: boolean;
  /** Of the error when the file cannot be read: an output, or an input. */
  readonly code: 'VC5105' | 'VC1106';
}

/** Read at a time: much more than a call costs, little memory. */
const chunkBytes = 1 << 20;

export class FileHasher {
  readonly #files = new Map<number, { readonly hash: Hash; end: number }>();
  #buffer = new Uint8Array(0);

  /** The digest, hexadecimal, when the task is the last. Throws the task's code where the file cannot be read. */
  run({ path, descriptor, end, last, code }: HashTask): string | undefined {
    const state = this.#files.get(descriptor) ?? { hash: createHash('sha256'), end: 0 };
    this.#files.set(descriptor, state);
    if (this.#buffer.byteLength === 0) this.#buffer = new Uint8Array(chunkBytes);
    while (state.end < end) {
      let count: number;
      try {
        count = readSync(descriptor, this.#buffer, 0, Math.min(chunkBytes, end - state.end), state.end);
      } catch (cause) {
        throw fail(code, { where: path, found: systemReason(cause), cause });
      }
      if (count === 0) throw fail(code, { where: path, found: 'it became shorter' });
      state.hash.update(this.#buffer.subarray(0, count));
      state.end += count;
    }
    if (!last) return undefined;
    this.#files.delete(descriptor);
    return state.hash.digest('hex');
  }
}
