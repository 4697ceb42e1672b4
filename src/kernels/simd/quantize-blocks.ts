/**
 * Block quantization by the two rules of onnxruntime's quantizer. Twin, with the layouts and the arithmetic:
 * ../quantize.ts. Source rows of f32, bf16 or f16, `sourceStride` bytes from row to row; outputs are dense:
 *   values      u8 [rows, kb, block·bits/8], kb = ceil(columns / block)
 *   scales      f32 [rows, kb]
 *   zeroPoints  u8 [rows, ceil(kb·bits/8)]; not touched where symmetric
 * The `half` kernels, for float16 graphs, store scales as f16 and round as onnxruntime does for float16 weights.
 */
import { quantizeRows } from './block-rows';
import { Bf16, F16 } from './types';

/** One body for every combination of what does not change from block to block. */
@inline
function quantize<T>(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
  table: bool,
): i32 {
  if (bits === 4) {
    return symmetric
      ? quantizeRows<T>(source, sourceStride, rows, columns, block, values, scales, zeroPoints, 4, table, true, false)
      : quantizeRows<T>(source, sourceStride, rows, columns, block, values, scales, zeroPoints, 4, table, false, false);
  }
  return symmetric
    ? quantizeRows<T>(source, sourceStride, rows, columns, block, values, scales, zeroPoints, 8, table, true, false)
    : quantizeRows<T>(source, sourceStride, rows, columns, block, values, scales, zeroPoints, 8, table, false, false);
}

export function quantize_blocks_f32(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  return quantize<f32>(source, sourceStride, rows, columns, block, bits, symmetric, values, scales, zeroPoints, false);
}

export function quantize_blocks_bf16(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  return quantize<Bf16>(source, sourceStride, rows, columns, block, bits, symmetric, values, scales, zeroPoints, false);
}

export function quantize_blocks_f16(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  return quantize<F16>(source, sourceStride, rows, columns, block, bits, symmetric, values, scales, zeroPoints, false);
}

export function quantize_table_f32(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  return quantize<f32>(source, sourceStride, rows, columns, block, bits, symmetric, values, scales, zeroPoints, true);
}

export function quantize_table_bf16(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  return quantize<Bf16>(source, sourceStride, rows, columns, block, bits, symmetric, values, scales, zeroPoints, true);
}

export function quantize_table_f16(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  return quantize<F16>(source, sourceStride, rows, columns, block, bits, symmetric, values, scales, zeroPoints, true);
}

/** Float16 graphs are few: one body for all widths keeps the module small. */
export function quantize_blocks_half(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  const signed = symmetric !== 0;
  return quantizeRows<F16>(
    source,
    sourceStride,
    rows,
    columns,
    block,
    values,
    scales,
    zeroPoints,
    bits,
    false,
    signed,
    true,
  );
}

export function quantize_table_half(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  symmetric: i32,
  values: usize,
  scales: usize,
  zeroPoints: usize,
): i32 {
  const signed = symmetric !== 0;
  return quantizeRows<F16>(
    source,
    sourceStride,
    rows,
    columns,
    block,
    values,
    scales,
    zeroPoints,
    bits,
    true,
    signed,
    true,
  );
}
