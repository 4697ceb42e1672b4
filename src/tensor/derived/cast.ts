/** Cast to another element type; the rounding rules are those of kernels/convert.ts. */
import { type Convertible, convert, isConvertible } from '../../kernels/convert.ts';
import type { Kernels } from '../../kernels/module.ts';
import type { DType } from '../dtype.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { elementBytes, matrixOf, type Region, type Window } from '../window.ts';
import type { Workspace } from '../workspace.ts';
import { derivationOf, onlyInput, regionAt } from './derive.ts';

export interface CastOptions {
  /** For float16 constants: keep tiny values from vanishing and large ones finite (`clampToHalfRange`). */
  readonly clampToFinite?: boolean;
}

/** Types that float32 holds exactly: widening to float32 and narrowing again is one cast. */
const narrowFloats: ReadonlySet<DType> = new Set<DType>(['float16', 'bfloat16']);

/** Conversions that move gigabytes; all others are of small tables. */
const kernels: Readonly<Record<string, keyof Kernels>> = {
  'float32 float16': 'convert_f32_f16',
  'float32 float16 clamped': 'convert_f32_f16_clamped',
  'float32 bfloat16': 'convert_f32_bf16',
  'float16 float32': 'convert_f16_f32',
  'float16 bfloat16': 'convert_f16_bf16',
  'bfloat16 float32': 'convert_bf16_f32',
  'bfloat16 float16': 'convert_bf16_f16',
  'bfloat16 float16 clamped': 'convert_bf16_f16_clamped',
};

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
  const kernel = kernels[`${from} ${dtype}${clampToFinite ? ' clamped' : ''}`];
  return derivedTensor({
    op: 'cast',
    params: clampToFinite ? { to: dtype, clampToFinite } : { to: dtype },
    inputs: [tensor],
    outputs: [{ dtype, shape: tensor.shape }],
    rows: matrixOf(tensor.shape)[0],
    needs: (window) => [{ input: 0, window }],
    compute: (window, inputs, outputs, { workspace }) => {
      const source = regionAt(inputs, 0);
      const target = regionAt(outputs, 0);
      if (kernel === undefined) convertRows(from, dtype, clampToFinite, window, source, target, workspace);
      else {
        const { rows, columns } = window;
        const run = workspace.kernels[kernel] as Kernels['convert_f32_f16'];
        run(source.pointer, source.stride, target.pointer, target.stride, rows, columns);
      }
    },
  });
}

function convertRows(
  from: Convertible,
  to: Convertible,
  clampToFinite: boolean,
  { rows, columns }: Window,
  source: Region,
  target: Region,
  workspace: Workspace,
): void {
  for (let row = 0; row < rows; row++) {
    const bytes = workspace.bytes(source.pointer + row * source.stride, columns * elementBytes(from));
    const converted = convert(bytes, from, to, clampToFinite);
    workspace.bytes(target.pointer + row * target.stride, converted.byteLength).set(converted);
  }
}

export function rebuildCast(
  [tensor]: readonly Tensor[],
  { to, clampToFinite }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  if (tensor === undefined || typeof to !== 'string') throw new RangeError('cast: wrong recipe');
  return [cast(tensor, to as DType, clampToFinite === true ? { clampToFinite: true } : {})];
}
