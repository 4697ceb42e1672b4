/**
 * Block-quantized weights: values, scales and zero points from one read of the weight.
 * Layouts are those of kernels/quantize.ts, as MatMulNBits and GatherBlockQuantized take them.
 */
import { type BlockQuantization, packedBytes } from '../../kernels/quantize.ts';
import { fail } from '../../report/diagnostics.ts';
import {
  type ComputeContext,
  type Derivation,
  derivedTensors,
  type JsonValue,
  type Tensor,
  type TensorSpec,
} from '../tensor.ts';
import { type Region, type Window, wholeRows } from '../window.ts';
import { beforeWidening, matrixShape, onlyInput, regionAt } from './derive.ts';
import { filledBytes } from './fill.ts';
import { leafNames } from './leaves.ts';
import { reshape } from './reshape.ts';

/** How to cut and pack; the rest follows from the weight. */
export type BlockOptions = Pick<BlockQuantization, 'bits' | 'block' | 'symmetric'>;

/** What a weight is quantized for: onnxruntime's quantizer rounds matrices and tables by different rules. */
type Use = 'matrix' | 'table';

/** Everything that says what the bytes are, beside the weight. */
export interface BlockScheme extends BlockOptions {
  readonly use: Use;
  readonly scales: 'float32' | 'float16';
}

/** By use, type of the weight and type of the scales. */
const kernels = {
  'matrix float32 float32': 'quantize_blocks_f32',
  'matrix float16 float32': 'quantize_blocks_f16',
  'matrix bfloat16 float32': 'quantize_blocks_bf16',
  'matrix float16 float16': 'quantize_blocks_half',
  'table float32 float32': 'quantize_table_f32',
  'table float16 float32': 'quantize_table_f16',
  'table bfloat16 float32': 'quantize_table_bf16',
  'table float16 float16': 'quantize_table_half',
} as const;

/** A quantized weight [N, K], kb = ceil(K / block). */
export interface QuantizedBlocks extends Pick<BlockQuantization, 'bits' | 'block'> {
  /** u8 [N, kb, block·bits/8]; for a table u8 [N, K·bits/8]. */
  readonly values: Tensor;
  /** float32 or, for a float16 weight, float16 [N, kb] */
  readonly scales: Tensor;
  /** u8 [N, ceil(kb·bits/8)]; left out: all 2^(bits-1). */
  readonly zeroPoints?: Tensor;
}

/**
 * Quantizes a float32 or float16 weight [N, K] (rows = outputs: the checkpoint's own layout) for MatMulNBits. Scales
 * get the type of the weight, which is that of the activations. Computing the rows throws VC3901 where a weight is
 * NaN or infinite.
 */
export function quantizeBlocks(weight: Tensor, options: BlockOptions): QuantizedBlocks {
  return quantized(weight, 'matrix', options);
}

/**
 * Quantizes a float32 or float16 table [V, D] for GatherBlockQuantized, which wants whole blocks per row and, because
 * providers differ in the default, zero points always.
 */
export function quantizeTable(
  table: Tensor,
  options: BlockOptions,
): QuantizedBlocks & { readonly zeroPoints: Tensor } {
  const [rows, columns] = matrixShape(table, 'a quantized table');
  const { bits, block } = options;
  if (columns % block !== 0) throw new RangeError(`rows of ${columns} are not whole blocks of ${block}`);
  const blocks = quantized(table, 'table', options);
  const middle = bits === 4 ? 0x88 : 0x80;
  const zeroPoints = blocks.zeroPoints ?? filledBytes([rows, packedBytes(columns / block, bits)], middle);
  return {
    ...blocks,
    values: reshape(blocks.values, [rows, packedBytes(columns, bits)]),
    zeroPoints,
  };
}

function quantized(weight: Tensor, use: Use, options: BlockOptions): QuantizedBlocks {
  const { dtype } = weight;
  if (dtype !== 'float32' && dtype !== 'float16') {
    throw new RangeError(`a weight to quantize is float32 or float16, not ${dtype}: cast it first`);
  }
  const derivation = quantization(beforeWidening(weight), { ...options, use, scales: dtype });
  const [values, scales, zeroPoints] = derivedTensors(derivation);
  if (values === undefined || scales === undefined) throw new RangeError('quantize-blocks has no outputs');
  const { bits, block } = options;
  return { values, scales, bits, block, ...(zeroPoints === undefined ? {} : { zeroPoints }) };
}

function quantization(weight: Tensor, scheme: BlockScheme): Derivation {
  const [rows, columns] = matrixShape(weight, 'a weight to quantize');
  const { bits, block, symmetric, use, scales } = scheme;
  if (bits !== 4 && bits !== 8) throw new RangeError(`${bits} bits: 4 or 8 are known`);
  if (!Number.isInteger(Math.log2(block)) || block < 16) {
    throw new RangeError(`a block of ${block}: a power of two from 16 on is needed`);
  }
  kernelOf(weight, scheme);
  const blocks = Math.ceil(columns / block);
  const outputs: TensorSpec[] = [
    { dtype: 'uint8', shape: [rows, blocks, packedBytes(block, bits)] },
    { dtype: scales, shape: [rows, blocks] },
  ];
  if (!symmetric) outputs.push({ dtype: 'uint8', shape: [rows, packedBytes(blocks, bits)] });
  return {
    op: 'quantize-blocks',
    params: { bits, block, symmetric, use, scales },
    inputs: [weight],
    outputs,
    rows,
    wholeRows: true,
    needs: ({ row, rows: count }) => [{ input: 0, window: wholeRows(row, row + count, columns) }],
    compute: ({ row, rows: count }, inputs, regions, context) => {
      const targets = [
        regionAt(regions, 0).pointer,
        regionAt(regions, 1).pointer,
        regions[2]?.pointer ?? 0,
      ] as const;
      quantizeWindow(
        weight,
        scheme,
        wholeRows(row, row + count, columns),
        regionAt(inputs, 0),
        targets,
        context,
      );
    },
  };
}

/**
 * Quantizes a window of a weight, whose first column begins a block, to dense values, scales and zero points at the
 * pointers given. Throws VC3901.
 */
export function quantizeWindow(
  weight: Tensor,
  scheme: BlockScheme,
  { row, rows, column, columns }: Window,
  source: Region,
  [values, scales, zeroPoints]: readonly [values: number, scales: number, zeroPoints: number],
  { workspace, nonFinite }: ComputeContext,
): void {
  const { bits, block, symmetric } = scheme;
  const bad = workspace.kernels[kernelOf(weight, scheme)](
    source.pointer,
    source.stride,
    rows,
    columns,
    block,
    bits,
    symmetric ? 1 : 0,
    values,
    scales,
    zeroPoints,
  );
  if (bad < 0 || nonFinite === 'keep') return;
  const blocks = Math.ceil(columns / block);
  const begin = (bad % blocks) * block;
  const [first, last] = [column + begin, column + Math.min(begin + block, columns) - 1];
  throw fail('VC3901', {
    where: leafNames(weight).join(', '),
    // A weight is NaN or infinite, or finite ones lie further apart than the scale's type reaches.
    found: `no finite scale for row ${row + Math.floor(bad / blocks)}, columns ${first} to ${last}`,
  });
}

/** The weight behind quantized values, and how it was quantized. Throws a RangeError for other tensors. */
export function quantizedFrom({ values }: QuantizedBlocks): {
  readonly weight: Tensor;
  readonly scheme: BlockScheme;
} {
  const { origin } = values;
  if (origin.kind !== 'derived' || origin.derivation.op !== 'quantize-blocks') {
    throw new RangeError('these values were not quantized here');
  }
  return { weight: onlyInput(origin.derivation), scheme: schemeOf(origin.derivation.params) };
}

function kernelOf({ dtype }: Tensor, { use, scales }: BlockScheme): (typeof kernels)[keyof typeof kernels] {
  const key = `${use} ${dtype} ${scales}`;
  if (!isKnown(key)) throw new RangeError(`no quantization of a ${key.replaceAll(' ', ', ')}`);
  return kernels[key];
}

function isKnown(key: string): key is keyof typeof kernels {
  return Object.hasOwn(kernels, key);
}

/** Throws a RangeError for parameters that no quantization has. */
export function schemeOf(params: { readonly [key: string]: JsonValue }): BlockScheme {
  const { bits, block, symmetric, use, scales } = params;
  if (
    (bits !== 4 && bits !== 8) ||
    typeof block !== 'number' ||
    typeof symmetric !== 'boolean' ||
    (use !== 'matrix' && use !== 'table') ||
    (scales !== 'float32' && scales !== 'float16')
  ) {
    throw new RangeError('quantize-blocks: wrong recipe');
  }
  return { bits, block, symmetric, use, scales };
}

export function rebuildQuantizeBlocks(
  [weight]: readonly Tensor[],
  params: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  if (weight === undefined) throw new RangeError('quantize-blocks: wrong recipe');
  return derivedTensors(quantization(weight, schemeOf(params)));
}
