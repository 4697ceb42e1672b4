/** The error that a user sees for a failed write. */
import { basename } from 'node:path';
import { fail, VlmError } from '../../report/diagnostics.ts';
import { systemReason } from '../../report/show.ts';

/** VC5104 for a full disk, VC5105 for the rest; what has a code already, or is a bug of ours, stays what it is. */
export function writeFailure(path: string, cause: unknown): unknown {
  if (cause instanceof VlmError || cause instanceof RangeError || cause instanceof TypeError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return fail(full ? 'VC5104' : 'VC5105', { where: basename(path), found: systemReason(cause), cause });
}
