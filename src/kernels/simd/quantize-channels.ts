/**
 * Symmetric int8 with one scale per row, as onnxruntime's dynamic quantization stores weights per channel.
 * Twin, with the arithmetic: ../quantize-channels.ts. Source rows of f32, bf16 or f16 with `sourceStride` bytes
 * from row to row; values i8 [rows, columns] and scales f32 [rows] are dense.
 */
import { loadEven, loadOdd, loadOne } from './floats';
import { toWhole } from './rounding';
import { Bf16, F16, infinityBits, magnitudeBits } from './types';

/** 127·2^-126: below, the scale would be subnormal, and is 1. */
const smallest: f32 = 1.4928839e-36;

/** Bits of the largest magnitude in a row, as float32; those of infinity and above where it is not finite. */
@inline
function largestMagnitude<T>(source: usize, columns: usize): i32 {
  const whole = columns & ~7;
  let lanes = i32x4.splat(0);
  let i: usize = 0;
  for (; i < whole; i += 8) {
    const at = source + i * sizeof<T>();
    const even = v128.and(loadEven<T>(at), i32x4.splat(magnitudeBits));
    const odd = v128.and(loadOdd<T>(at), i32x4.splat(magnitudeBits));
    lanes = i32x4.max_s(lanes, i32x4.max_s(even, odd));
  }
  lanes = i32x4.max_s(lanes, v128.shuffle<i32>(lanes, lanes, 2, 3, 0, 1));
  let largest = max(i32x4.extract_lane(lanes, 0), i32x4.extract_lane(lanes, 1));
  for (; i < columns; i++) {
    largest = max(largest, reinterpret<i32>(loadOne<T>(source + i * sizeof<T>())) & magnitudeBits);
  }
  return largest;
}

@inline
function codes(weights: v128, scale: v128): v128 {
  return toWhole(f32x4.div(weights, scale));
}

@inline
function quantize<T>(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  values: usize,
  scales: usize,
): i32 {
  const step = 8 * sizeof<T>();
  let bad: i32 = -1;
  for (let row: usize = 0; row < rows; row++) {
    const bits = largestMagnitude<T>(source, columns);
    if (bits >= infinityBits) {
      if (bad < 0) bad = <i32>row;
      store<i32>(scales + row * 4, 0x7fc00000);
      memory.fill(values, 0, columns);
    } else {
      const largest = reinterpret<f32>(bits);
      const scale: f32 = largest < smallest ? 1 : largest / 127;
      store<f32>(scales + row * 4, scale);
      const divisor = f32x4.splat(scale);
      let i: usize = 0;
      for (; i + 16 <= columns; i += 16) {
        const at = source + i * sizeof<T>();
        const e0 = codes(loadEven<T>(at), divisor);
        const o0 = codes(loadOdd<T>(at), divisor);
        const e1 = codes(loadEven<T>(at + step), divisor);
        const o1 = codes(loadOdd<T>(at + step), divisor);
        const packed = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(e0, e1), i16x8.narrow_i32x4_s(o0, o1));
        v128.store(
          values + i,
          v128.shuffle<i8>(packed, packed, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15),
        );
      }
      for (; i < columns; i++) {
        const weight = loadOne<T>(source + i * sizeof<T>());
        store<i8>(values + i, <i8>nearest(weight / scale));
      }
    }
    source += sourceStride;
    values += columns;
  }
  return bad;
}

export function quantize_channels_f32(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  values: usize,
  scales: usize,
): i32 {
  return quantize<f32>(source, sourceStride, rows, columns, values, scales);
}

export function quantize_channels_bf16(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  values: usize,
  scales: usize,
): i32 {
  return quantize<Bf16>(source, sourceStride, rows, columns, values, scales);
}

export function quantize_channels_f16(
  source: usize,
  sourceStride: usize,
  rows: usize,
  columns: usize,
  values: usize,
  scales: usize,
): i32 {
  return quantize<F16>(source, sourceStride, rows, columns, values, scales);
}
