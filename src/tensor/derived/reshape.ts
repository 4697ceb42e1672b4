/** Reshape: the same bytes under another shape. It is a view, not a derivation: nothing is computed twice. */
import { elementCount } from '../dtype.ts';
import type { Tensor } from '../tensor.ts';
import { sameShape } from './derive.ts';

/** `tensor` with another shape of as many elements. */
export function reshape(tensor: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(tensor.shape, shape)) return tensor;
  if (elementCount(shape) !== elementCount(tensor.shape)) {
    throw new RangeError(`[${tensor.shape}] cannot be reshaped to [${shape}]`);
  }
  return { ...tensor, shape: [...shape] };
}
