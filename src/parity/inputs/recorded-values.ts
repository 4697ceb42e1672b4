/** Recorded tensors as numbers. */
import { createHash } from 'node:crypto';
import { fail } from '../../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';

export function floats(value: RunTensor, where: string): Float32Array {
  try {
    return toFloat32(value);
  } catch (cause) {
    throw fail('VC6109', { where, found: value.dtype, expected: 'float32, float16 or float64', cause });
  }
}

export function integers(value: RunTensor, where: string): readonly number[] {
  if (!/^u?int(32|64)$|^bool$/.test(value.dtype)) {
    throw fail('VC6109', { where, found: value.dtype, expected: 'int64 or int32' });
  }
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}

/** Of the numbers' bytes. */
export function sha256(values: Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash('sha256').update(bytes).digest('hex');
}
