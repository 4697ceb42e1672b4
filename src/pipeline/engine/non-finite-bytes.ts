/** Floats in memory that are NaN or infinite: for constants and small tensors, which no unit reads. */
import type { DType } from '../../tensor/dtype.ts';
import { findNonFinite, refuseNonFinite } from '../../tensor/non-finite.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Workspace } from '../../tensor/workspace.ts';

/** Used and left within one call. */
let shared: Workspace | undefined;

/** Throws VC3901 when `bytes`, which are the tensor's from byte `begin` on, hold such a value. */
export function refuseNonFiniteBytes(tensor: Tensor, begin: number, bytes: Uint8Array): void {
  const { workspace, pointer } = placed(bytes);
  refuseNonFinite(tensor, begin, pointer, bytes.byteLength, workspace);
}

export function holdsNonFinite(dtype: DType, bytes: Uint8Array): boolean {
  const { workspace, pointer } = placed(bytes);
  return findNonFinite(dtype, pointer, bytes.byteLength, workspace) >= 0;
}

function placed(bytes: Uint8Array): { readonly workspace: Workspace; readonly pointer: number } {
  shared ??= new Workspace();
  shared.release();
  const pointer = shared.allocate(bytes.byteLength);
  shared.bytes(pointer, bytes.byteLength).set(bytes);
  return { workspace: shared, pointer };
}
