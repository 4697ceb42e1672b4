/** Floats in memory that are NaN or infinite: for constants and small tensors, which no unit reads. */
import { VlmError } from '../../report/diagnostics.ts';
import type { DType } from '../../tensor/dtype.ts';
import { refuseNonFinite } from '../../tensor/non-finite.ts';
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';
import { Workspace } from '../../tensor/workspace.ts';

/** Used and left within one call. */
let shared: Workspace | undefined;

/** Throws VC3901 when `bytes`, which are the tensor's from byte `begin` on, hold such a value. */
export function refuseNonFiniteBytes(tensor: Tensor, begin: number, bytes: Uint8Array): void {
  shared ??= new Workspace();
  const workspace = shared;
  workspace.release();
  const pointer = workspace.allocate(bytes.byteLength);
  workspace.bytes(pointer, bytes.byteLength).set(bytes);
  refuseNonFinite(tensor, begin, pointer, bytes.byteLength, workspace);
}

export function holdsNonFinite(dtype: DType, shape: readonly number[], bytes: Uint8Array): boolean {
  try {
    refuseNonFiniteBytes(inlineTensor(dtype, shape, bytes), 0, bytes);
    return false;
  } catch (error) {
    if (error instanceof VlmError) return true;
    throw error;
  }
}
