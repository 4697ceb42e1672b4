/** `--dim name=size`: sizes are whole. */
import { fail } from '../report/diagnostics.ts';

/** Throws VC4002. */
export function checkWholeSizes(sizes: Readonly<Record<string, number>> = {}): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size)) continue;
    throw fail('VC4002', { where: `--dim ${name}`, found: String(size), expected: 'a whole number' });
  }
}
