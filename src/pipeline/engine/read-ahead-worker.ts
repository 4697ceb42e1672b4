/** A worker thread that reads files from the start and drops what it reads, until it is stopped. */
import { readSync } from 'node:fs';
import type { ReadAheadTask } from './read-ahead.ts';

/** Read at a time: what a disk reads at full speed, and little to wait for when it is stopped. */
const chunkBytes = 4 << 20;
/** Faster than disks: such bytes are in the cache. */
const cachedBytesPerSecond = 3e9;
/** So many chunks in a row out of the cache: so is, likely, the rest. */
const cachedChunks = 8;

export default ({ files, stopped }: ReadAheadTask): void => {
  const buffer = new Uint8Array(chunkBytes);
  let cached = 0;
  for (const { descriptor, size } of files) {
    for (let at = 0; at < size; ) {
      if (Atomics.load(stopped, 0) !== 0 || cached >= cachedChunks) return;
      const begun = performance.now();
      const count = readSync(descriptor, buffer, 0, chunkBytes, at);
      if (count === 0) return;
      at += count;
      const seconds = (performance.now() - begun) / 1000;
      cached = count / seconds > cachedBytesPerSecond ? cached + 1 : 0;
    }
  }
};
