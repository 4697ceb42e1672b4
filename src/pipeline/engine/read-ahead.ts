/**
 * Has the system read weight files into its page cache while graphs are built, in the order in which units read them:
 * a disk that would stand idle for a second is a second ahead. Node cannot ask for that (posix_fadvise), so a thread
 * reads and drops what it reads.
 */
import type { ByteSource } from '../../tensor/byte-source.ts';
import { startThreads } from './threads.ts';

export interface ReadAhead {
  /** Ends it, at whatever point it is. */
  stop(): Promise<void>;
}

/** What the thread gets. */
export interface ReadAheadTask {
  readonly files: readonly { readonly descriptor: number; readonly size: number }[];
  /** Not 0: stop. */
  readonly stopped: Int32Array;
}

/** Files of fewer bytes are read while a thread starts. */
const leastBytes = 256 << 20;

/** Sources that are no files are left out. What goes wrong is met again by those who need the bytes. */
export async function readAhead(sources: readonly ByteSource[]): Promise<ReadAhead> {
  const files = sources.flatMap(({ file, size }) =>
    file === undefined ? [] : [{ descriptor: file.descriptor, size }],
  );
  if (files.reduce((sum, { size }) => sum + size, 0) < leastBytes) return { stop: async () => {} };
  const stopped = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const threads = await startThreads<ReadAheadTask, void>('#read-ahead-worker', undefined, 1);
  const done = threads.run({ files, stopped }).catch(() => {});
  return {
    stop: async () => {
      Atomics.store(stopped, 0, 1);
      await done;
      await threads.close();
    },
  };
}
