/** The float32 weights that block-quantized ones stand for: what parity compares a quantized graph with. */
import { packedBytes } from '../../kernels/quantize.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { matrixOf, wholeRows } from '../window.ts';
import { cast } from './cast.ts';
import { regionAt, sameShape } from './derive.ts';
import type { QuantizedBlocks } from './quantize-blocks.ts';

/** float32 [N, K]: (code - zero point)·scale, rounded once. Takes weights and tables. */
export function dequantizeBlocks(
  quantized: QuantizedBlocks,
  [rows, columns]: readonly [number, number],
): Tensor {
  const { values, zeroPoints, bits, block } = quantized;
  const scales = cast(quantized.scales, 'float32');
  const blocks = Math.ceil(columns / block);
  const valueBytes = blocks * packedBytes(block, bits);
  const zeroPointBytes = packedBytes(blocks, bits);
  if (
    values.dtype !== 'uint8' ||
    values.byteLength !== rows * valueBytes ||
    !sameShape(scales.shape, [rows, blocks]) ||
    (zeroPoints !== undefined && !sameShape(zeroPoints.shape, [rows, zeroPointBytes]))
  ) {
    throw new RangeError(
      `values [${values.shape}] and scales [${scales.shape}] are no [${rows},${columns}] weight of ${bits} bits`,
    );
  }
  const parts = zeroPoints === undefined ? [values, scales] : [values, scales, zeroPoints];

  return derivedTensor({
    op: 'dequantize-blocks',
    params: { bits, block, columns },
    inputs: parts,
    outputs: [{ dtype: 'float32', shape: [rows, columns] }],
    rows,
    wholeRows: true,
    needs: (window) =>
      parts.map(({ shape }, input) => {
        const [matrixRows, matrixColumns] = matrixOf(shape);
        const perRow = rows === 0 ? 0 : matrixRows / rows;
        const begin = window.row * perRow;
        return { input, window: wholeRows(begin, begin + window.rows * perRow, matrixColumns) };
      }),
    compute: (window, inputs, outputs, { workspace }) => {
      const target = regionAt(outputs, 0);
      workspace.kernels.dequantize_blocks(
        regionAt(inputs, 0).pointer,
        regionAt(inputs, 1).pointer,
        inputs[2]?.pointer ?? 0,
        window.rows,
        columns,
        block,
        bits,
        target.pointer,
        target.stride,
      );
    },
  });
}

export function rebuildDequantizeBlocks(
  [values, scales, zeroPoints]: readonly Tensor[],
  { bits, block, columns }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const validBits = bits === 4 || bits === 8;
  if (
    values === undefined ||
    scales === undefined ||
    !validBits ||
    typeof block !== 'number' ||
    typeof columns !== 'number'
  ) {
    throw new RangeError('dequantize-blocks: wrong recipe');
  }
  const quantized: QuantizedBlocks = {
    values,
    scales,
    bits,
    block,
    ...(zeroPoints === undefined ? {} : { zeroPoints }),
  };
  return [dequantizeBlocks(quantized, [values.shape[0] ?? 0, columns])];
}
