/** Joining tensors along axis 0 (concat) or a new leading axis (stack): their bytes, one after the other. */
import { derivedTensor, type Need, type Tensor } from '../tensor.ts';
import { elementBytes, matrixOf, type Window } from '../window.ts';
import { cast } from './cast.ts';
import { derivationOf, onlyInput, regionAt, sameShape } from './derive.ts';
import { copyParts } from './parts.ts';
import { transpose2d, untranspose } from './transpose.ts';

/** Tensors of one dtype that agree in all axes but the first, joined on the first. */
export function concat(tensors: readonly Tensor[]): Tensor {
  const [first, ...others] = tensors;
  if (first === undefined) throw new RangeError('concat of nothing');
  if (others.length === 0) return first;
  const [, ...rest] = first.shape;
  let rows = 0;
  for (const tensor of tensors) {
    const [count, ...axes] = tensor.shape;
    if (count === undefined || tensor.dtype !== first.dtype || !sameShape(axes, rest)) {
      throw new RangeError(`concat of ${first.dtype}[${first.shape}] and ${tensor.dtype}[${tensor.shape}]`);
    }
    rows += count;
  }
  return join('concat', tensors, [rows, ...rest]);
}

/** Tensors of one dtype and shape, as [count, ...shape]. */
export function stack(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new RangeError('stack of nothing');
  for (const tensor of tensors) {
    if (tensor.dtype !== first.dtype || !sameShape(tensor.shape, first.shape)) {
      throw new RangeError(`stack of ${first.dtype}[${first.shape}] and ${tensor.dtype}[${tensor.shape}]`);
    }
  }
  return join('stack', tensors, [tensors.length, ...first.shape]);
}

/**
 * The tensors that a `stack` was made of, undefined where it is none. Looks through casts and through
 * `transpose2d` of the stack.
 */
export function unstack(tensor: Tensor): readonly Tensor[] | undefined {
  const stacked = derivationOf(tensor, 'stack');
  if (stacked !== undefined) return stacked.inputs;
  const outer = derivationOf(tensor, 'cast');
  if (outer !== undefined) {
    const options = outer.params.clampToFinite === true ? { clampToFinite: true } : {};
    return unstack(onlyInput(outer))?.map((part) => cast(part, tensor.dtype, options));
  }
  const behind = tensor.shape.length < 3 ? undefined : untranspose(tensor);
  return behind === undefined ? undefined : unstack(behind)?.map(transpose2d);
}

function join(op: 'concat' | 'stack', tensors: readonly Tensor[], shape: readonly number[]): Tensor {
  const dtype = tensors[0]?.dtype ?? 'float32';
  const size = elementBytes(dtype);
  const [rows, columns] = matrixOf(shape);
  /** Each tensor's matrix rows in the output, in order. */
  const begins: number[] = [];
  let total = 0;
  for (const tensor of tensors) {
    begins.push(total);
    const elements = tensor.byteLength / size;
    total += columns === 0 ? 0 : elements / columns;
  }
  /** A stacked vector [n, 1] is one row of the output. */
  const turned = shape.length === 2 && tensors[0]?.shape.length === 1;

  const needs = (window: Window): Need[] =>
    tensors.flatMap((_, input) => {
      const begin = begins[input] ?? 0;
      const first = Math.max(window.row - begin, 0);
      const last = Math.min(window.row + window.rows - begin, (begins[input + 1] ?? total) - begin);
      if (first >= last) return [];
      if (op === 'stack' && turned) {
        return [{ input, window: { row: window.column, rows: window.columns, column: 0, columns: 1 } }];
      }
      return [{ input, window: { ...window, row: first, rows: last - first } }];
    });

  return derivedTensor({
    op,
    params: {},
    inputs: tensors,
    outputs: [{ dtype, shape }],
    rows,
    needs,
    compute: (window, inputs, outputs, context) => {
      const target = regionAt(outputs, 0);
      if (op === 'stack' && turned) {
        for (const [row, { pointer, stride }] of inputs.entries()) {
          const to = target.pointer + row * target.stride;
          context.workspace.kernels.copy_rows(pointer, stride, to, size, window.columns, size);
        }
      } else copyParts(needs(window), inputs, target, window.columns * size, context);
    },
  });
}

export const rebuildConcat = (tensors: readonly Tensor[]): readonly Tensor[] => [concat(tensors)];
export const rebuildStack = (tensors: readonly Tensor[]): readonly Tensor[] => [stack(tensors)];
