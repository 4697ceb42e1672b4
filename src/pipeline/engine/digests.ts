/**
 * SHA-256 of files while they are written: as soon as the beginning of a file is whole it is read back, out of the
 * page cache, and hashed on a thread of its own. Workers cannot hash what they hold: a file's bytes must be hashed
 * in order, and the state of a hash cannot go from thread to thread.
 */
import { VlmError } from '../../report/diagnostics.ts';
import { type Extent, Prefix } from './extents.ts';
import { FileHasher, type HashTask } from './hash-file.ts';
import type { HashResult } from './hash-worker.ts';
import { startThreads, type Threads } from './threads.ts';

/** A thread is told of new bytes when there are this many: some 10 ms of work. */
const stepBytes = 16 << 20;

export interface HashedFile {
  readonly path: string;
  readonly descriptor: number;
  readonly byteLength: number;
}

export interface Digests {
  /** Bytes of a file stand where they belong. Each byte is told once. */
  wrote(file: number, extent: Extent): void;
  /** The digests, hexadecimal. All bytes must have been told. Throws VC5105. */
  finish(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** `threads` 0: on the thread that calls, at the end. `code`: of the error for a file that cannot be read. */
export async function followFiles(
  files: readonly HashedFile[],
  threads: number,
  code: HashTask['code'] = 'VC5105',
): Promise<Digests> {
  const pools = await Promise.all(
    Array.from({ length: threads }, () => startThreads<HashTask, HashResult>('#hash-worker', undefined, 1)),
  );
  const states = files.map((file, index) => ({
    file,
    pool: pools[index % Math.max(pools.length, 1)],
    prefix: new Prefix(),
    told: 0,
  }));
  return {
    wrote: (index, extent) => {
      const state = states[index];
      if (state === undefined) throw new RangeError(`there is no file ${index}`);
      state.prefix.add(extent);
      const { end } = state.prefix;
      if (state.pool === undefined || end - state.told < stepBytes) return;
      state.told = end;
      const { path, descriptor } = state.file;
      // What goes wrong here goes wrong again when the rest is asked for.
      state.pool.run({ path, descriptor, end, last: false, code }).catch(() => {});
    },
    finish: async () => {
      const hasher = new FileHasher();
      return Promise.all(
        states.map(async ({ file: { path, descriptor, byteLength }, pool, prefix }) => {
          if (prefix.end !== byteLength) {
            throw new RangeError(`${path}: ${prefix.end} of ${byteLength} bytes were written`);
          }
          const task = { path, descriptor, end: byteLength, last: true, code };
          return pool === undefined ? digestOf({ sha256: hasher.run(task) }) : digestOf(await pool.run(task));
        }),
      );
    },
    close: async () => {
      await Promise.all(pools.map((pool: Threads<HashTask, HashResult>) => pool.close()));
    },
  };
}

function digestOf({ sha256, failure }: HashResult): string {
  if (failure !== undefined) throw new VlmError(failure.code, failure);
  if (sha256 === undefined) throw new TypeError('the last task gives the digest');
  return sha256;
}
