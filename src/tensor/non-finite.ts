/** Weights that are NaN or infinite, found as they are read. */
import { fail } from '../report/diagnostics.ts';
import { type DType, placeOf } from './dtype.ts';
import type { Tensor } from './tensor.ts';
import { elementBytes } from './window.ts';
import type { Workspace } from './workspace.ts';

/**
 * Throws VC3901 when one of the floats at `pointer`, which are the tensor's from byte `begin` on, is not finite.
 */
export function refuseNonFinite(
  tensor: Tensor,
  begin: number,
  pointer: number,
  byteLength: number,
  workspace: Workspace,
): void {
  const index = findNonFinite(tensor.dtype, pointer, byteLength, workspace);
  if (index < 0) return;
  const { origin, shape } = tensor;
  throw fail('VC3901', {
    where: origin.kind === 'source' ? origin.name : 'a weight',
    found: `a value that is not finite at ${placeOf(shape, begin / elementBytes(tensor.dtype) + index)}`,
  });
}

/** Index of the first of the elements at `pointer` that is NaN or infinite, -1 when there is none. */
export function findNonFinite(
  dtype: DType,
  pointer: number,
  byteLength: number,
  workspace: Workspace,
): number {
  const { kernels } = workspace;
  switch (dtype) {
    case 'float32':
      return kernels.find_nonfinite_f32(pointer, byteLength / 4);
    case 'float16':
      return kernels.find_nonfinite_f16(pointer, byteLength / 2);
    case 'bfloat16':
      return kernels.find_nonfinite_bf16(pointer, byteLength / 2);
    case 'float64': {
      const copy = workspace.bytes(pointer, byteLength).slice();
      return new Float64Array(copy.buffer).findIndex((value) => !Number.isFinite(value));
    }
    default:
      return -1;
  }
}
