/**
 * A file of known size that is written out of order and hashed in order. Blocks that arrive in order are hashed
 * from memory; others are read back when their turn comes. Bytes that no block covers are zero.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { fail, VlmError } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';

/** Bytes read back or zeros hashed at a time. */
const chunkBytes = 1 << 20;

/** Bytes [begin, end) of the file. */
export type Extent = readonly [begin: number, end: number];

export class OutputFile {
  readonly path: string;
  readonly byteLength: number;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  /** What is hashed, from the start of the file. */
  #hashed = 0;
  /** Written or known to be zero, not hashed yet, by begin. */
  readonly #ready = new Map<number, { readonly end: number; readonly zero: boolean }>();
  #hashing: Promise<void> | undefined;

  private constructor(path: string, byteLength: number, handle: FileHandle, gaps: readonly Extent[]) {
    this.path = path;
    this.byteLength = byteLength;
    this.#handle = handle;
    for (const [begin, end] of gaps) this.#ready.set(begin, { end, zero: true });
  }

  /** Makes a new file of its final size, zeros. Throws VC5104 or VC5105, also when the file exists. */
  static async create(path: string, byteLength: number, gaps: readonly Extent[]): Promise<OutputFile> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'wx+');
      await handle.truncate(byteLength);
      return new OutputFile(path, byteLength, handle, gaps);
    } catch (cause) {
      await handle?.close();
      throw writeFailure(path, cause);
    }
  }

  /** Writes bytes that no other block covers. Throws VC5104 or VC5105. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const left = bytes.byteLength - done;
        const { bytesWritten } = await this.#handle.write(bytes, done, left, offset + done);
        done += bytesWritten;
      }
      if (offset === this.#hashed && this.#hashing === undefined) {
        this.#hash.update(bytes);
        this.#hashed += bytes.byteLength;
      } else if (bytes.byteLength > 0) {
        this.#ready.set(offset, { end: offset + bytes.byteLength, zero: false });
      }
      await this.#hashReady();
    } catch (cause) {
      throw writeFailure(this.path, cause);
    }
  }

  /** Puts everything on the disk and gives the digest. All bytes must have been written. */
  async finish(): Promise<{ readonly sha256: string }> {
    try {
      await this.#hashReady();
      if (this.#hashed !== this.byteLength) {
        throw new RangeError(`${this.path}: ${this.#hashed} of ${this.byteLength} bytes were written`);
      }
      await this.#handle.sync();
      return { sha256: this.#hash.digest('hex') };
    } catch (cause) {
      throw writeFailure(this.path, cause);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** Hashes what has become contiguous. One at a time: whoever comes while it runs waits for it. */
  async #hashReady(): Promise<void> {
    while (this.#hashing !== undefined) await this.#hashing;
    if (!this.#ready.has(this.#hashed)) return;
    this.#hashing = this.#hashContiguous().finally(() => {
      this.#hashing = undefined;
    });
    await this.#hashing;
  }

  async #hashContiguous(): Promise<void> {
    for (let extent = this.#next(); extent !== undefined; extent = this.#next()) {
      const buffer = new Uint8Array(Math.min(chunkBytes, extent.end - this.#hashed));
      while (this.#hashed < extent.end) {
        const chunk = buffer.subarray(0, extent.end - this.#hashed);
        if (!extent.zero) await this.#readBack(chunk, this.#hashed);
        this.#hash.update(chunk);
        this.#hashed += chunk.byteLength;
      }
    }
  }

  #next(): { readonly end: number; readonly zero: boolean } | undefined {
    const extent = this.#ready.get(this.#hashed);
    this.#ready.delete(this.#hashed);
    return extent;
  }

  async #readBack(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.byteLength; ) {
      const { bytesRead } = await this.#handle.read(target, done, target.byteLength - done, offset + done);
      if (bytesRead === 0) throw new Error('it became shorter while it was written');
      done += bytesRead;
    }
  }
}

/** The error that a user sees for a failed write. */
function writeFailure(path: string, cause: unknown): unknown {
  if (cause instanceof VlmError || cause instanceof RangeError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return fail(full ? 'VC5104' : 'VC5105', { where: basename(path), found: systemReason(cause), cause });
}
