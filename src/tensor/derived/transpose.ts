/**
 * Transpose of the last two axes: [.., R, C] → [.., C, R]. A checkpoint's linear weight [out, in] becomes the
 * right side [in, out] of a MatMul this way, and a quantizer undoes it.
 */
import { transposeInto } from '../../kernels/transpose.ts';
import { bitsOf } from '../dtype.ts';
import { derivedTensor, type Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { derivationOf, derive, onlyInput } from './derive.ts';

/** Input rows are read in chunks of this size; rows longer than it are read strip by strip. */
const chunkBytes = 1 << 20;

/**
 * `tensor` with its last two axes swapped. A transpose of a transpose is the first tensor; a cast moves
 * outward, so that the narrow type is what gets moved.
 */
export function transpose2d(tensor: Tensor): Tensor {
  const twice = derivationOf(tensor, 'transpose');
  if (twice !== undefined) return onlyInput(twice);
  const inner = derivationOf(tensor, 'cast');
  if (inner !== undefined) {
    const clampToFinite = inner.params.clampToFinite === true;
    return cast(transpose2d(onlyInput(inner)), tensor.dtype, clampToFinite ? { clampToFinite } : {});
  }
  const batch = tensor.shape.slice(0, -2);
  const [rows, columns] = tensor.shape.slice(-2);
  if (rows === undefined || columns === undefined) throw new RangeError(`[${tensor.shape}] has no two axes`);
  const size = bitsOf(tensor.dtype) / 8;
  if (![1, 2, 4, 8].includes(size)) throw new RangeError(`${tensor.dtype} cannot be transposed`);
  const matrixBytes = rows * columns * size;
  const outputRows = columns * batch.reduce((product, dim) => product * dim, 1);

  /** Columns [first, last) of matrix `index`, as rows of `target`. */
  const strip = async (index: number, first: number, last: number, target: Uint8Array): Promise<void> => {
    const inStrips = columns * size > chunkBytes;
    const [left, right] = inStrips ? [first, last] : [0, columns];
    const width = right - left;
    const step = inStrips ? 1 : Math.max(1, Math.floor(chunkBytes / (columns * size)));
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const begin = index * matrixBytes + (row * columns + left) * size;
      const chunk = await tensor.read(begin, begin + count * width * size);
      transposeInto(chunk, size, [count, width], [first - left, last - left], target, rows, row);
    }
  };

  return derivedTensor(
    derive({
      op: 'transpose',
      params: {},
      readings: [{ tensor, perCall: matrixBytes, heldPerCall: Math.min(matrixBytes, chunkBytes) }],
      outputs: [{ dtype: tensor.dtype, shape: [...batch, columns, rows] }],
      rows: outputRows,
      computeRows: async (begin, end) => {
        const out = new Uint8Array((end - begin) * rows * size);
        for (let row = begin; row < end; ) {
          const index = Math.floor(row / columns);
          const until = Math.min(end, (index + 1) * columns);
          const target = out.subarray((row - begin) * rows * size, (until - begin) * rows * size);
          await strip(index, row - index * columns, until - index * columns, target);
          row = until;
        }
        return [out];
      },
    }),
  );
}

/**
 * The tensor whose `transpose2d` this is ([out, in] behind a MatMul's [in, out]), undefined where there is
 * none. Looks through casts.
 */
export function untranspose(tensor: Tensor): Tensor | undefined {
  const transposed = derivationOf(tensor, 'transpose');
  if (transposed !== undefined) return onlyInput(transposed);
  const outer = derivationOf(tensor, 'cast');
  const inner = outer === undefined ? undefined : untranspose(onlyInput(outer));
  if (outer === undefined || inner === undefined) return undefined;
  return cast(inner, tensor.dtype, outer.params.clampToFinite === true ? { clampToFinite: true } : {});
}

export function rebuildTranspose([tensor]: readonly Tensor[]): readonly Tensor[] {
  if (tensor === undefined) throw new RangeError('transpose: wrong recipe');
  return [transpose2d(tensor)];
}
