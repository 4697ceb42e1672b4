/**
 * Whether the machine can hold what the check loads: said before anything is written, since a system that runs out
 * of memory kills the process without a word.
 */
import { totalmem } from 'node:os';
import { fail } from '../report/diagnostics.ts';
import { formatBytes } from '../report/format.ts';

/** Throws VC6005 when `needed` bytes exceed the memory of the machine, or of the container it runs in. */
export function checkMemory(needed: number, available: number = availableMemory()): void {
  if (needed <= available) return;
  throw fail('VC6005', {
    found: `${formatBytes(available)} in all`,
    expected: `about ${formatBytes(needed)}`,
  });
}

/** Of the machine, or of the container that the process runs in. */
export function availableMemory(): number {
  // 0 or a huge number where no limit is set.
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
