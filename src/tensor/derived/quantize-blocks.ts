/**
 * Block-quantized weights: values, scales and zero points from one read of the weight.
 * Layouts are those of kernels/quantize.ts, as MatMulNBits and GatherBlockQuantized take them.
 */
import { type BlockQuantization, packedBytes } from '../../kernels/quantize.ts';
import { fail } from '../../report/diagnostics.ts';
import type { DType } from '../dtype.ts';
import { type Derivation, derivedTensors, type JsonValue, type Tensor, type TensorSpec } from '../tensor.ts';
import { wholeRows } from '../window.ts';
import { derivationOf, expectFloat32, matrixShape, onlyInput, regionAt } from './derive.ts';
import { filledBytes } from './fill.ts';
import { leafNames } from './leaves.ts';
import { reshape } from './reshape.ts';

export type { BlockQuantization } from '../../kernels/quantize.ts';

/** By type of the weight. */
const kernels: Readonly<
  Partial<Record<DType, 'quantize_blocks_f32' | 'quantize_blocks_f16' | 'quantize_blocks_bf16'>>
> = {
  float32: 'quantize_blocks_f32',
  float16: 'quantize_blocks_f16',
  bfloat16: 'quantize_blocks_bf16',
};

/** A quantized weight [N, K], kb = ceil(K / block). */
export interface QuantizedBlocks extends Pick<BlockQuantization, 'bits' | 'block'> {
  /** u8 [N, kb, block·bits/8]; for a table u8 [N, K·bits/8]. */
  readonly values: Tensor;
  /** float32 [N, kb] */
  readonly scales: Tensor;
  /** u8 [N, ceil(kb·bits/8)]; left out: all 2^(bits-1). */
  readonly zeroPoints?: Tensor;
}

/**
 * Quantizes a float32 weight [N, K] (rows = outputs: the checkpoint's own layout) for MatMulNBits.
 * Computing the rows throws VC3901 where a weight is NaN or infinite.
 */
export function quantizeBlocks(weight: Tensor, options: BlockQuantization): QuantizedBlocks {
  expectFloat32(weight, 'a weight to quantize');
  const [values, scales, zeroPoints] = derivedTensors(quantization(beforeWidening(weight), options));
  if (values === undefined || scales === undefined) throw new RangeError('quantize-blocks has no outputs');
  const { bits, block } = options;
  return { values, scales, bits, block, ...(zeroPoints === undefined ? {} : { zeroPoints }) };
}

/**
 * Quantizes a float32 table [V, D] for GatherBlockQuantized, which wants whole blocks per row and, because
 * providers differ in the default, zero points always.
 */
export function quantizeTable(
  table: Tensor,
  options: BlockQuantization,
): QuantizedBlocks & { readonly zeroPoints: Tensor } {
  const [rows, columns] = matrixShape(table, 'a quantized table');
  const { bits, block } = options;
  if (columns % block !== 0) throw new RangeError(`rows of ${columns} are not whole blocks of ${block}`);
  const quantized = quantizeBlocks(table, options);
  const middle = bits === 4 ? 0x88 : 0x80;
  const zeroPoints = quantized.zeroPoints ?? filledBytes([rows, packedBytes(columns / block, bits)], middle);
  return {
    ...quantized,
    values: reshape(quantized.values, [rows, packedBytes(columns, bits)]),
    zeroPoints,
  };
}

/** The float16 or bfloat16 tensor that was cast to float32: the kernels widen on their own. */
function beforeWidening(weight: Tensor): Tensor {
  const widening = derivationOf(weight, 'cast');
  const narrow = widening === undefined ? undefined : onlyInput(widening);
  return narrow !== undefined && narrow.dtype in kernels ? narrow : weight;
}

function quantization(weight: Tensor, options: BlockQuantization): Derivation {
  const [rows, columns] = matrixShape(weight, 'a weight to quantize');
  const { bits, block, symmetric } = options;
  if (bits !== 4 && bits !== 8) throw new RangeError(`${bits} bits: 4 or 8 are known`);
  if (!Number.isInteger(Math.log2(block)) || block < 16) {
    throw new RangeError(`a block of ${block}: a power of two from 16 on is needed`);
  }
  const kernel = kernels[weight.dtype];
  if (kernel === undefined) throw new RangeError(`a weight to quantize is a float, not ${weight.dtype}`);
  const blocks = Math.ceil(columns / block);
  const outputs: TensorSpec[] = [
    { dtype: 'uint8', shape: [rows, blocks, packedBytes(block, bits)] },
    { dtype: 'float32', shape: [rows, blocks] },
  ];
  if (!symmetric) outputs.push({ dtype: 'uint8', shape: [rows, packedBytes(blocks, bits)] });
  const derivation: Derivation = {
    op: 'quantize-blocks',
    params: { bits, block, symmetric },
    inputs: [weight],
    outputs,
    rows,
    wholeRows: true,
    needs: ({ row, rows: count }) => [{ input: 0, window: wholeRows(row, row + count, columns) }],
    compute: (window, inputs, regions, { workspace, nonFinite }) => {
      const source = regionAt(inputs, 0);
      const bad = workspace.kernels[kernel](
        source.pointer,
        source.stride,
        window.rows,
        columns,
        block,
        bits,
        symmetric ? 1 : 0,
        regionAt(regions, 0).pointer,
        regionAt(regions, 1).pointer,
        regions[2]?.pointer ?? 0,
      );
      if (bad >= 0 && nonFinite !== 'keep') {
        const row = window.row + Math.floor(bad / blocks);
        const column = (bad % blocks) * block;
        throw fail('VC3901', {
          where: leafNames(weight).join(', '),
          found: `a value that is not finite in row ${row}, columns ${column} to ${Math.min(column + block, columns) - 1}`,
        });
      }
    },
  };
  return derivation;
}

export function rebuildQuantizeBlocks(
  [weight]: readonly Tensor[],
  { bits, block, symmetric }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const validBits = bits === 4 || bits === 8;
  if (weight === undefined || !validBits || typeof block !== 'number' || typeof symmetric !== 'boolean') {
    throw new RangeError('quantize-blocks: wrong recipe');
  }
  return derivedTensors(quantization(weight, { bits, block, symmetric }));
}
