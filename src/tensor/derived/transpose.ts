/**
 * Transpose of the last two axes: [.., R, C] → [.., C, R]. A checkpoint's linear weight [out, in] becomes the
 * right side [in, out] of a MatMul this way, and a quantizer undoes it.
 */
import { elementCount } from '../dtype.ts';
import { derivedTensor, type Need, type Tensor } from '../tensor.ts';
import { elementBytes, type Window } from '../window.ts';
import { cast } from './cast.ts';
import { derivationOf, onlyInput, regionAt } from './derive.ts';

/** By bytes of an element. */
const kernels = { 1: 'transpose_1', 2: 'transpose_2', 4: 'transpose_4', 8: 'transpose_8' } as const;

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
  const size = elementBytes(tensor.dtype);
  const kernel = kernels[size as keyof typeof kernels];
  if (!(size in kernels)) throw new RangeError(`${tensor.dtype} cannot be transposed`);
  const matrices = elementCount(batch);

  /** Rows of the output are columns of the input; they may belong to several matrices of the batch. */
  const needs = (window: Window): Need[] => {
    const parts: Need[] = [];
    const end = window.row + window.rows;
    for (let row = window.row; row < end; ) {
      const index = Math.floor(row / columns);
      const until = Math.min(end, (index + 1) * columns);
      parts.push({
        input: 0,
        window: {
          row: index * rows + window.column,
          rows: window.columns,
          column: row - index * columns,
          columns: until - row,
        },
      });
      row = until;
    }
    return parts;
  };

  return derivedTensor({
    op: 'transpose',
    params: {},
    inputs: [tensor],
    outputs: [{ dtype: tensor.dtype, shape: [...batch, columns, rows] }],
    rows: matrices * columns,
    needs,
    compute: (window, inputs, outputs, { workspace }) => {
      const target = regionAt(outputs, 0);
      let row = 0;
      for (const [index, part] of needs(window).entries()) {
        const { pointer, stride } = regionAt(inputs, index);
        const to = target.pointer + row * target.stride;
        workspace.kernels[kernel](pointer, stride, to, target.stride, part.window.rows, part.window.columns);
        row += part.window.columns;
      }
    },
  });
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
