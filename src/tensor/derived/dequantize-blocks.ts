/**
 * The float32 weights that block-quantized ones stand for: what parity compares a quantized graph with. They are
 * computed from the weight itself, block by block, so that a few columns (of a transpose) cost no more than that.
 */
import { packedBytes } from '../../kernels/quantize.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import type { Window } from '../window.ts';
import { matrixShape, regionAt, sameShape } from './derive.ts';
import {
  type BlockScheme,
  type QuantizedBlocks,
  quantizedFrom,
  quantizeWindow,
  schemeOf,
} from './quantize-blocks.ts';

/** Elements that are quantized and brought back at a time: they stay in the cache. */
const stripElements = 1 << 16;

/** float32 [N, K]: (code - zero point)·scale, rounded once. Takes weights and tables. */
export function dequantizeBlocks(quantized: QuantizedBlocks, shape: readonly [number, number]): Tensor {
  const { weight, scheme } = quantizedFrom(quantized);
  if (!sameShape(weight.shape, shape)) {
    throw new RangeError(`a weight [${weight.shape}] was quantized, not [${shape}]`);
  }
  return dequantization(weight, scheme);
}

function dequantization(weight: Tensor, scheme: BlockScheme): Tensor {
  const [rows, columns] = matrixShape(weight, 'a quantized weight');
  const { bits, block, symmetric, use, scales } = scheme;

  const wholeBlocks = (window: Window): Window => {
    const begin = Math.floor(window.column / block) * block;
    const end = Math.min(Math.ceil((window.column + window.columns) / block) * block, columns);
    return { ...window, column: begin, columns: window.columns === 0 ? 0 : end - begin };
  };

  return derivedTensor({
    op: 'dequantize-blocks',
    params: { bits, block, symmetric, use, scales },
    inputs: [weight],
    outputs: [{ dtype: 'float32', shape: [rows, columns] }],
    rows,
    needs: (window) => [{ input: 0, window: wholeBlocks(window) }],
    compute: (window, inputs, outputs, context) => {
      const { workspace } = context;
      const [source, target] = [regionAt(inputs, 0), regionAt(outputs, 0)];
      const wide = wholeBlocks(window);
      const blocks = Math.ceil(wide.columns / block);
      const step = Math.max(1, Math.min(window.rows, Math.floor(stripElements / Math.max(1, wide.columns))));
      const top = workspace.top;
      const codes = workspace.allocate(step * blocks * packedBytes(block, bits));
      const factors = workspace.allocate(step * blocks * 4);
      const stored = scales === 'float16' ? workspace.allocate(step * blocks * 2) : factors;
      const zeroPoints = symmetric ? 0 : workspace.allocate(step * packedBytes(blocks, bits));
      const floats = workspace.allocate(step * wide.columns * 4);
      for (let row = 0; row < window.rows; row += step) {
        const part = { ...wide, row: wide.row + row, rows: Math.min(step, window.rows - row) };
        const from = { ...source, pointer: source.pointer + row * source.stride };
        quantizeWindow(weight, scheme, part, from, [codes, stored, zeroPoints], context);
        const { kernels } = workspace;
        if (stored !== factors)
          kernels.convert_f16_f32(stored, blocks * 2, factors, blocks * 4, part.rows, blocks);
        const stride = wide.columns * 4;
        kernels.dequantize_blocks(
          codes,
          factors,
          zeroPoints,
          part.rows,
          wide.columns,
          block,
          bits,
          floats,
          stride,
        );
        const begin = floats + (window.column - wide.column) * 4;
        const to = target.pointer + row * target.stride;
        kernels.copy_rows(begin, stride, to, target.stride, part.rows, window.columns * 4);
      }
      workspace.release(top);
    },
  });
}

export function rebuildDequantizeBlocks(
  [weight]: readonly Tensor[],
  params: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  if (weight === undefined) throw new RangeError('dequantize-blocks: wrong recipe');
  return [dequantization(weight, schemeOf(params))];
}
