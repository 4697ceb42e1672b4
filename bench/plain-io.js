/**
 * The limit that conversion is held against: reads files and, at the same time, writes as many bytes as it is told,
 * 8 MiB at a time, and computes nothing.
 *
 *   node bench/plain-io.js <file to write> <bytes to write> <file to read> ...
 *
 * Dirty pages are sent to the disk while it goes on and the file is fsynced at the end: the fastest of the plain
 * orders tried (reading first and writing then, without and with early syncs) on cold files, and as fast on cached ones.
 */
import { open } from 'node:fs/promises';

const blockBytes = 8 * 2 ** 20;
const syncBytes = 64 * 2 ** 20;
const [target, bytes, ...sources] = process.argv.slice(2);
if (target === undefined || bytes === undefined)
  throw new Error('usage: plain-io.js <file to write> <bytes> <file to read> ...');

async function readAll() {
  const block = Buffer.alloc(blockBytes);
  for (const source of sources) {
    const file = await open(source);
    while ((await file.read(block, 0, blockBytes)).bytesRead > 0);
    await file.close();
  }
}

/** @param {string} path @param {number} total */
async function writeAll(path, total) {
  const block = Buffer.alloc(blockBytes, 0x5a);
  const file = await open(path, 'w');
  let syncing = Promise.resolve();
  for (let at = 0; at < total; ) {
    at += (await file.write(block, 0, Math.min(blockBytes, total - at))).bytesWritten;
    if (at % syncBytes < blockBytes) syncing = Promise.all([syncing, file.datasync()]).then(() => {});
  }
  await syncing;
  await file.sync();
  await file.close();
}

await Promise.all([readAll(), writeAll(target, Number(bytes))]);
