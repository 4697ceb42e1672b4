/**
 * Weights as symmetric int8 with one scale per row, from one read of the weight. Rounding and layouts are those of
 * kernels/quantize-channels.ts, what DequantizeLinear takes.
 */
import { fail } from '../../report/diagnostics.ts';
import { elementCount } from '../dtype.ts';
import { type Derivation, derivedTensors, type Tensor } from '../tensor.ts';
import { wholeRows } from '../window.ts';
import { beforeWidening, expectFloat32, regionAt } from './derive.ts';
import { leafNames } from './leaves.ts';
import { reshape } from './reshape.ts';

/** By type of the weight. */
const kernels = {
  float32: 'quantize_channels_f32',
  float16: 'quantize_channels_f16',
  bfloat16: 'quantize_channels_bf16',
} as const;

/** A weight [N, ...] with a scale for each of the N slices. */
export interface QuantizedChannels {
  /** int8, the shape of the weight */
  readonly values: Tensor;
  /** float32 [N] */
  readonly scales: Tensor;
}

/**
 * Quantizes a float32 weight of two axes or more along its first. Computing the rows throws VC3901 where a weight is
 * NaN or infinite.
 */
export function quantizeChannels(weight: Tensor): QuantizedChannels {
  expectFloat32(weight, 'a weight to quantize');
  const [rows] = weight.shape;
  if (rows === undefined || weight.shape.length < 2) {
    throw new RangeError(`[${weight.shape}] has no channels to quantize`);
  }
  const columns = rows === 0 ? 0 : elementCount(weight.shape) / rows;
  // The kernels widen on their own; a view of other axes may stand between them and the narrow tensor.
  const matrix = reshape(beforeWidening(weight), [rows, columns]);
  const [values, scales] = derivedTensors(quantization(matrix));
  if (values === undefined || scales === undefined) throw new RangeError('quantize-channels has no outputs');
  return { values: reshape(values, weight.shape), scales };
}

/** Of a matrix. */
function quantization(weight: Tensor): Derivation {
  const [rows = 0, columns = 0] = weight.shape;
  const { dtype } = weight;
  if (dtype !== 'float32' && dtype !== 'float16' && dtype !== 'bfloat16') {
    throw new RangeError(`a weight to quantize is a float, not ${dtype}`);
  }
  const kernel = kernels[dtype];
  return {
    op: 'quantize-channels',
    params: {},
    inputs: [weight],
    outputs: [
      { dtype: 'int8', shape: [rows, columns] },
      { dtype: 'float32', shape: [rows] },
    ],
    rows,
    wholeRows: true,
    needs: ({ row, rows: count }) => [{ input: 0, window: wholeRows(row, row + count, columns) }],
    compute: (window, inputs, outputs, { workspace, nonFinite }) => {
      const source = regionAt(inputs, 0);
      const bad = workspace.kernels[kernel](
        source.pointer,
        source.stride,
        window.rows,
        columns,
        regionAt(outputs, 0).pointer,
        regionAt(outputs, 1).pointer,
      );
      if (bad >= 0 && nonFinite !== 'keep') {
        throw fail('VC3901', {
          where: leafNames(weight).join(', '),
          found: `a value that is not finite in channel ${window.row + bad}`,
        });
      }
    },
  };
}

export function rebuildQuantizeChannels([weight]: readonly Tensor[]): readonly Tensor[] {
  if (weight?.shape.length !== 2) throw new RangeError('quantize-channels: wrong recipe');
  return derivedTensors(quantization(weight));
}
