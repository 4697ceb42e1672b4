/** The float32 weights that int8 ones with a scale per row stand for: what parity compares a quantized graph with. */
import { elementCount } from '../dtype.ts';
import { derivedTensor, type Tensor } from '../tensor.ts';
import { wholeRows } from '../window.ts';
import { regionAt, sameShape } from './derive.ts';
import type { QuantizedChannels } from './quantize-channels.ts';
import { reshape } from './reshape.ts';

/** float32, the shape of the values: value·scale, rounded once. */
export function dequantizeChannels({ values, scales }: QuantizedChannels): Tensor {
  const [rows = 0] = values.shape;
  if (values.dtype !== 'int8' || scales.dtype !== 'float32' || !sameShape(scales.shape, [rows])) {
    throw new RangeError(`scales [${scales.shape}] are not those of [${values.shape}]`);
  }
  const columns = rows === 0 ? 0 : elementCount(values.shape) / rows;
  const matrix = reshape(values, [rows, columns]);
  const weights = derivedTensor({
    op: 'dequantize-channels',
    params: {},
    inputs: [matrix, scales],
    outputs: [{ dtype: 'float32', shape: [rows, columns] }],
    rows,
    wholeRows: true,
    needs: ({ row, rows: count }) => [
      { input: 0, window: wholeRows(row, row + count, columns) },
      { input: 1, window: wholeRows(row, row + count, 1) },
    ],
    compute: (window, inputs, outputs, { workspace }) => {
      const [codes, factors, target] = [regionAt(inputs, 0), regionAt(inputs, 1), regionAt(outputs, 0)];
      const product = new Float32Array(columns);
      for (let row = 0; row < window.rows; row++) {
        const factor = new Float32Array(
          workspace.bytes(factors.pointer + row * factors.stride, 4).slice().buffer,
        )[0];
        const bytes = workspace.bytes(codes.pointer + row * codes.stride, columns);
        for (let column = 0; column < columns; column++) {
          // The byte as a signed one.
          product[column] = (((bytes[column] ?? 0) << 24) >> 24) * (factor ?? NaN);
        }
        workspace
          .bytes(target.pointer + row * target.stride, product.byteLength)
          .set(new Uint8Array(product.buffer));
      }
    },
  });
  return reshape(weights, values.shape);
}

export function rebuildDequantizeChannels([values, scales]: readonly Tensor[]): readonly Tensor[] {
  if (values === undefined || scales === undefined) throw new RangeError('dequantize-channels: wrong recipe');
  return [dequantizeChannels({ values, scales })];
}
