/** The constant matrices with which two products resample a map: rows R_h [to, from] on its left, R_wᵀ on its right. */
import { bicubicWeights } from '../kernels/bicubic.ts';
import { bytesOf } from '../kernels/bytes.ts';
import { inlineTensor, type Tensor } from './tensor.ts';

/** Elements of one matrix: a picture of 16384 rows to 1024 fits. The matrices are held in memory. */
export const largestMatrix = 2 ** 24;

/** R [to, from] float32 of torch's bicubic (kernels/bicubic.ts). */
export function bicubicRowMatrix(from: number, to: number): Tensor {
  return inlineTensor('float32', [to, from], bytesOf(bicubicWeights(from, to)));
}

/** Rᵀ [from, to] */
export function bicubicColumnMatrix(from: number, to: number): Tensor {
  const dense = bicubicWeights(from, to);
  const turned = new Float32Array(dense.length);
  for (let row = 0; row < to; row += 1) {
    for (let column = 0; column < from; column += 1) {
      turned[column * to + row] = dense[row * from + column] ?? 0;
    }
  }
  return inlineTensor('float32', [from, to], bytesOf(turned));
}
