/** Cast to another element type; the rounding rules are those of kernels/convert.ts. */
import { convert, isConvertible } from '../../kernels/convert.ts';
import { bitsOf, type DType, elementCount } from '../dtype.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { derivationOf, derive, onlyInput } from './derive.ts';

export interface CastOptions {
  /** For float16 constants: keep tiny values from vanishing and large ones finite (`clampToHalfRange`). */
  readonly clampToFinite?: boolean;
}

/** Types that float32 holds exactly: widening to float32 and narrowing again is one cast. */
const narrowFloats: ReadonlySet<DType> = new Set<DType>(['float16', 'bfloat16']);

/**
 * `tensor` with elements of type `dtype`, same shape. A cast to its own type is the tensor itself, and a cast
 * of a float16 or bfloat16 that was widened to float32 reads the narrow one.
 */
export function cast(tensor: Tensor, dtype: DType, options: CastOptions = {}): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const inner = derivationOf(tensor, 'cast');
  if (inner !== undefined && tensor.dtype === 'float32') {
    const narrow = onlyInput(inner);
    if (narrowFloats.has(narrow.dtype)) return cast(narrow, dtype, options);
  }
  const from = tensor.dtype;
  if (!isConvertible(from) || !isConvertible(dtype)) throw new RangeError(`no cast from ${from} to ${dtype}`);
  const clampToFinite = options.clampToFinite ?? false;
  if (clampToFinite && dtype !== 'float16')
    throw new RangeError(`a cast to ${dtype} has no range to clamp to`);
  const fromBytes = bitsOf(from) / 8;
  return derivedTensor(
    derive({
      op: 'cast',
      params: clampToFinite ? { to: dtype, clampToFinite } : { to: dtype },
      readings: [{ tensor, perRow: fromBytes }],
      outputs: [{ dtype, shape: tensor.shape }],
      rows: elementCount(tensor.shape),
      // Between other types the values stand in float32 or float64 for a moment.
      scratchPerRow: from === 'float32' && !clampToFinite ? 0 : dtype === 'float32' ? 0 : 8,
      computeRows: async (begin, end) => [
        convert(await tensor.read(begin * fromBytes, end * fromBytes), from, dtype, clampToFinite),
      ],
    }),
  );
}

export function rebuildCast(
  [tensor]: readonly Tensor[],
  { to, clampToFinite }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  if (tensor === undefined || typeof to !== 'string') throw new RangeError('cast: wrong recipe');
  return [cast(tensor, to as DType, clampToFinite === true ? { clampToFinite: true } : {})];
}
