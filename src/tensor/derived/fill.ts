/** Constant tensors of any size without bytes in memory: zeros, and one byte repeated. */
import { type DType, dtypes } from '../dtype.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { elementBytes, matrixOf } from '../window.ts';
import { derivationOf, onlyInput, regionAt } from './derive.ts';

/** A tensor of zeros. */
export function zeros(dtype: DType, shape: readonly number[]): Tensor {
  return fill(dtype, shape, 0);
}

/** A uint8 tensor that repeats one byte. */
export function filledBytes(shape: readonly number[], byte: number): Tensor {
  if (!Number.isInteger(byte) || byte < 0 || byte > 255) throw new RangeError(`${byte} is not a byte`);
  return fill('uint8', shape, byte);
}

/** True for `zeros`, also cast or transposed. */
export function isZeros(tensor: Tensor): boolean {
  if (tensor.origin.kind !== 'derived') return false;
  const { op, params } = tensor.origin.derivation;
  if (op === 'fill') return params.byte === 0;
  const derivation = derivationOf(tensor, 'cast') ?? derivationOf(tensor, 'transpose');
  return derivation !== undefined && isZeros(onlyInput(derivation));
}

function fill(dtype: DType, shape: readonly number[], byte: number): Tensor {
  const size = elementBytes(dtype);
  return derivedTensor({
    op: 'fill',
    params: { dtype, shape, byte },
    inputs: [],
    outputs: [{ dtype, shape: [...shape] }],
    rows: matrixOf(shape)[0],
    needs: () => [],
    compute: ({ rows, columns }, _, outputs, { workspace }) => {
      const { pointer, stride } = regionAt(outputs, 0);
      for (let row = 0; row < rows; row++) workspace.bytes(pointer + row * stride, columns * size).fill(byte);
    },
  });
}

export function rebuildFill(
  _: readonly Tensor[],
  { dtype, shape, byte }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const type = dtypes.find((name) => name === dtype);
  const isShape = Array.isArray(shape) && shape.every((dim) => typeof dim === 'number');
  if (type === undefined || !isShape || typeof byte !== 'number') throw new RangeError('fill: wrong recipe');
  return [fill(type, shape as readonly number[], byte)];
}
