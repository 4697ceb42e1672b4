/**
 * Conversion between float32, float16 and bfloat16, row by row. Twin: ../convert.ts with ../half.ts.
 * Layout: rows of `columns` elements, `stride` bytes from row to row on both sides; no overlap.
 */
import { loadHigh, loadLow, loadSplat, storeEight, storeOne } from './floats';
import { Bf16, F16 } from './types';

/**
 * bf16 to f16 without going through float32: bf16 has fewer mantissa bits, so that a value in the normal range
 * of f16 is exact. Eight lanes at once; others are left to the general way.
 */
@inline
function convertEightBfloats(source: usize, target: usize, clamped: bool): void {
  const lanes = v128.load(source);
  const magnitude = v128.and(lanes, i16x8.splat(0x7fff));
  // Normal range of f16: exponents 113 to 142.
  const rebased = i16x8.sub(magnitude, i16x8.splat(0x3880));
  const outside = v128.andnot(
    i16x8.gt_u(rebased, i16x8.splat(0x0eff)),
    i16x8.eq(magnitude, i16x8.splat(0)),
  );
  if (v128.any_true(outside)) {
    storeEight<F16>(target, loadLow<Bf16>(source), loadHigh<Bf16>(source), clamped);
    return;
  }
  const shifted = i16x8.shl(i16x8.sub(magnitude, i16x8.splat(0x3800)), 3);
  const exact = v128.andnot(shifted, i16x8.eq(magnitude, i16x8.splat(0)));
  v128.store(target, v128.or(exact, v128.xor(lanes, magnitude)));
}

@inline
function convertRow<S, T>(source: usize, target: usize, count: usize, clamped: bool): void {
  let left = count;
  for (; left >= 8; left -= 8) {
    if (!isFloat<S>() && isSigned<S>() && !isFloat<T>() && !isSigned<T>()) {
      convertEightBfloats(source, target, clamped);
    } else {
      storeEight<T>(target, loadLow<S>(source), loadHigh<S>(source), clamped);
    }
    source += 8 * sizeof<S>();
    target += 8 * sizeof<T>();
  }
  for (; left > 0; left--) {
    storeOne<T>(target, loadSplat<S>(source), clamped);
    source += sizeof<S>();
    target += sizeof<T>();
  }
}

@inline
function convert<S, T>(
  source: usize,
  sourceStride: usize,
  target: usize,
  targetStride: usize,
  rows: usize,
  columns: usize,
  clamped: bool,
): void {
  if (sourceStride === columns * sizeof<S>() && targetStride === columns * sizeof<T>()) {
    columns *= rows;
    rows = 1;
  }
  for (; rows > 0; rows--) {
    convertRow<S, T>(source, target, columns, clamped);
    source += sourceStride;
    target += targetStride;
  }
}

export function convert_bf16_f32(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  convert<Bf16, f32>(s, ss, t, ts, rows, columns, false);
}

export function convert_f16_f32(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  convert<F16, f32>(s, ss, t, ts, rows, columns, false);
}

export function convert_f32_bf16(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  convert<f32, Bf16>(s, ss, t, ts, rows, columns, false);
}

export function convert_f16_bf16(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  convert<F16, Bf16>(s, ss, t, ts, rows, columns, false);
}

export function convert_f32_f16(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  convert<f32, F16>(s, ss, t, ts, rows, columns, false);
}

export function convert_bf16_f16(s: usize, ss: usize, t: usize, ts: usize, rows: usize, columns: usize): void {
  convert<Bf16, F16>(s, ss, t, ts, rows, columns, false);
}

export function convert_f32_f16_clamped(
  s: usize,
  ss: usize,
  t: usize,
  ts: usize,
  rows: usize,
  columns: usize,
): void {
  convert<f32, F16>(s, ss, t, ts, rows, columns, true);
}

export function convert_bf16_f16_clamped(
  s: usize,
  ss: usize,
  t: usize,
  ts: usize,
  rows: usize,
  columns: usize,
): void {
  convert<Bf16, F16>(s, ss, t, ts, rows, columns, true);
}
