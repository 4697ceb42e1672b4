/**
 * The SIMD kernels: one WebAssembly module without state, its memory brought by the caller.
 *
 * Pointers are byte offsets into that memory, of any alignment. `rows` and `columns` count elements, strides are
 * bytes from row to row. Source and target do not overlap unless said. Nothing allocates or checks bounds: what
 * is outside the memory traps (WebAssembly.RuntimeError), what is inside is the caller's. The files beside this
 * one define every result bit by bit.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** From [rows, columns] of one float type to the other. */
export type Convert = (
  source: number,
  sourceStride: number,
  target: number,
  targetStride: number,
  rows: number,
  columns: number,
) => void;

/** From [rows, columns] to [columns, rows]. */
export type Transpose = Convert;

/**
 * Quantizes [rows, columns] in blocks along the columns; outputs are dense, kb = ceil(columns / block):
 *   values      u8 [rows, kb, block·bits/8]
 *   scales      f32 [rows, kb]
 *   zeroPoints  u8 [rows, ceil(kb·bits/8)], not written where symmetric
 * `block` is a power of two from 16 on, `bits` 4 or 8, `symmetric` 0 or 1.
 *
 * Returns -1, or row·kb + block of the first block without a finite scale: one that holds a NaN or an infinity
 * (its scale is NaN, codes and zero point are 0), or finite weights too far apart for float32 (scale infinite).
 */
export type QuantizeBlocks = (
  source: number,
  sourceStride: number,
  rows: number,
  columns: number,
  block: number,
  bits: number,
  symmetric: number,
  values: number,
  scales: number,
  zeroPoints: number,
) => number;

/**
 * Quantizes [rows, columns] to i8 [rows, columns] with f32 scales [rows], both dense.
 * Returns -1, or the first row with a NaN or an infinity (its scale is NaN, its values are 0).
 */
export type QuantizeChannels = (
  source: number,
  sourceStride: number,
  rows: number,
  columns: number,
  values: number,
  scales: number,
) => number;

/** Index of the first element that is NaN or infinite, -1 if there is none. */
export type FindNonFinite = (source: number, count: number) => number;

export interface Kernels {
  /** Narrowing rounds to nearest, ties to even; overflow to infinity. Twin: convert.ts. */
  readonly convert_f16_f32: Convert;
  readonly convert_bf16_f32: Convert;
  readonly convert_f32_f16: Convert;
  readonly convert_bf16_f16: Convert;
  readonly convert_f32_bf16: Convert;
  readonly convert_f16_bf16: Convert;
  /** As `clampToHalfRange` has it: what is finite stays finite, what is not 0 does not become 0. */
  readonly convert_f32_f16_clamped: Convert;
  readonly convert_bf16_f16_clamped: Convert;

  /** Elements of 1, 2, 4, 8 bytes. Twin: transpose.ts. */
  readonly transpose_1: Transpose;
  readonly transpose_2: Transpose;
  readonly transpose_4: Transpose;
  readonly transpose_8: Transpose;

  /** `rows` rows of `bytes` bytes. */
  readonly copy_rows: (
    source: number,
    sourceStride: number,
    target: number,
    targetStride: number,
    rows: number,
    bytes: number,
  ) => void;

  /**
   * float32 sum [rows, columns] += scale · b [rows, rank] · a [rank, columns], every product and sum rounded,
   * ranks in order. Twin: low-rank.ts.
   */
  readonly low_rank_accumulate: (
    sum: number,
    sumStride: number,
    a: number,
    aStride: number,
    b: number,
    bStride: number,
    rank: number,
    scale: number,
    rows: number,
    columns: number,
  ) => void;

  /** float32 target = base + sum, [rows, columns]; the target may be one of them. */
  readonly add_rows: (
    base: number,
    baseStride: number,
    sum: number,
    sumStride: number,
    target: number,
    targetStride: number,
    rows: number,
    columns: number,
  ) => void;

  /** Weights for MatMulNBits. Twin: quantize.ts. */
  readonly quantize_blocks_f32: QuantizeBlocks;
  readonly quantize_blocks_bf16: QuantizeBlocks;
  readonly quantize_blocks_f16: QuantizeBlocks;

  /** Tables for GatherBlockQuantized, by their own rule. Twin: quantize.ts. */
  readonly quantize_table_f32: QuantizeBlocks;
  readonly quantize_table_bf16: QuantizeBlocks;
  readonly quantize_table_f16: QuantizeBlocks;

  /** For float16 graphs: float16 weights and f16 scales [rows, kb]. Twins: quantize.ts, `half`. */
  readonly quantize_blocks_half: QuantizeBlocks;
  readonly quantize_table_half: QuantizeBlocks;

  /** Symmetric int8 with a scale per row. Twin: quantize-channels.ts. */
  readonly quantize_channels_f32: QuantizeChannels;
  readonly quantize_channels_bf16: QuantizeChannels;
  readonly quantize_channels_f16: QuantizeChannels;

  /**
   * float32 [rows, columns] of what `QuantizeBlocks` made; `zeroPoints` 0: there are none. Twin: quantize.ts.
   */
  readonly dequantize_blocks: (
    values: number,
    scales: number,
    zeroPoints: number,
    rows: number,
    columns: number,
    block: number,
    bits: number,
    target: number,
    targetStride: number,
  ) => void;

  readonly find_nonfinite_f32: FindNonFinite;
  readonly find_nonfinite_bf16: FindNonFinite;
  readonly find_nonfinite_f16: FindNonFinite;
}

let compiled: WebAssembly.Module | undefined;

/** The kernels over `memory`. Compiled once per thread; `npm run build` makes the module. */
export function loadKernels(memory: WebAssembly.Memory): Kernels {
  compiled ??= new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve('#kernels.wasm')));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return exports as unknown as Kernels;
}
