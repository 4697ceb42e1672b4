/**
 * Preloaded into the built tool (node --import) by tests: makes it die or fail at an exact point of its work. The
 * environment says where, as JSON:
 *
 *   killAtLine n, share s    SIGKILL when it appends line n of the journal, of which a share s is written
 *   killAtRename n           SIGKILL instead of its n-th rename
 *   pauseAtLine n, until p   the main thread sleeps when line n of the journal was written, until a file p exists
 *   failWrites n             one of two workers' writes fail from the n-th on
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread, threadId } from 'node:worker_threads';

/** @type {{ killAtLine?: number, share?: number, killAtRename?: number, pauseAtLine?: number, until?: string, failWrites?: number }} */
const fault = JSON.parse(process.env.VLM_TEST_FAULT ?? '{}');

const sleeping = new Int32Array(new SharedArrayBuffer(4));

function die() {
  process.kill(process.pid, 'SIGKILL');
  Atomics.wait(sleeping, 0, 0);
}

const { writeSync } = fs;
let lines = 0;
let writes = 0;

/** @param {number} descriptor @param {Uint8Array} bytes @param {number} offset @param {number} length @param {number} position */
function faultyWrite(descriptor, bytes, offset, length, position) {
  if (!isMainThread) {
    writes += 1;
    if (threadId % 2 === 1 && fault.failWrites !== undefined && writes >= fault.failWrites) {
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    }
    return writeSync(descriptor, bytes, offset, length, position);
  }
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, 8).equals(Buffer.from('{"unit":'))) {
    return writeSync(descriptor, bytes, offset, length, position);
  }
  lines += 1;
  if (lines === fault.killAtLine) {
    writeSync(descriptor, bytes, offset, Math.floor(length * (fault.share ?? 1)), position);
    die();
  }
  const written = writeSync(descriptor, bytes, offset, length, position);
  while (lines === fault.pauseAtLine && !fs.existsSync(fault.until ?? '/')) Atomics.wait(sleeping, 0, 0, 5);
  return written;
}
fs.writeSync = /** @type {typeof fs.writeSync} */ (/** @type {unknown} */ (faultyWrite));

const { rename } = fs.promises;
let renames = 0;
fs.promises.rename = async (from, to) => {
  renames += 1;
  if (renames === fault.killAtRename) die();
  await rename(from, to);
};
syncBuiltinESMExports();
