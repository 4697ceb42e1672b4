/** Joining tensors along axis 0 (concat) or a new leading axis (stack): their bytes, one after the other. */
import { bitsOf, elementCount } from '../dtype.ts';
import { derivedTensor, type Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { costOfReading, derivationOf, derive, onlyInput, sameShape } from './derive.ts';
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
  const size = bitsOf(dtype) / 8;
  if (!Number.isInteger(size)) throw new RangeError(`${op} of ${dtype}: elements are not whole bytes`);
  return derivedTensor(
    derive({
      op,
      params: {},
      readings: tensors.map((tensor) => ({ tensor })),
      outputs: [{ dtype, shape }],
      rows: elementCount(shape),
      // The inputs are read one after the other, so only the costliest counts.
      scratchPerRow: size * Math.max(...tensors.map((tensor) => costOfReading(tensor).perByte)),
      computeRows: async (begin, end) => {
        const out = new Uint8Array((end - begin) * size);
        let start = 0;
        for (const tensor of tensors) {
          const from = Math.max(begin * size - start, 0);
          const to = Math.min(end * size - start, tensor.byteLength);
          if (from < to) out.set(await tensor.read(from, to), start + from - begin * size);
          start += tensor.byteLength;
        }
        return [out];
      },
    }),
  );
}

export const rebuildConcat = (tensors: readonly Tensor[]): readonly Tensor[] => [concat(tensors)];
export const rebuildStack = (tensors: readonly Tensor[]): readonly Tensor[] => [stack(tensors)];
