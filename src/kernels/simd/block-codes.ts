/** The codes of a block whose scale and zero point are known, packed as MatMulNBits has them. */
import { loadEven, loadOdd } from './floats';
import { belowHalf, toHalf, toWhole } from './rounding';

/** i32 codes of float32 lanes: halves up for MatMulNBits, to even for tables. Not clamped. */
@inline
function codes(weights: v128, factor: v128, zero: v128, table: bool, symmetric: bool, half: bool): v128 {
  if (table) {
    // Here `factor` is the scale itself.
    const exact = f32x4.div(weights, factor);
    const steps = half ? toHalf(exact) : exact;
    const sum = symmetric ? steps : f32x4.add(steps, zero);
    const shifted = half && !symmetric ? toHalf(sum) : sum;
    const rounded = toWhole(shifted);
    return symmetric ? i32x4.add(rounded, i32x4.trunc_sat_f32x4_s(zero)) : rounded;
  }
  const steps = f32x4.add(f32x4.mul(weights, factor), zero);
  const rounded = f32x4.floor(f32x4.add(steps, f32x4.splat(belowHalf)));
  return toWhole(rounded);
}

/** Writes the codes of `block` elements. `factor`, `zero`: the block's in every lane. */
@inline
export function writeCodes<T>(
  source: usize,
  block: usize,
  factor: v128,
  zero: v128,
  values: usize,
  bits: i32,
  table: bool,
  symmetric: bool,
  half: bool,
): void {
  const step = 8 * sizeof<T>();
  const end = source + block * sizeof<T>();
  if (bits === 8) {
    for (; source < end; source += 2 * step) {
      const e0 = codes(loadEven<T>(source), factor, zero, table, symmetric, half);
      const o0 = codes(loadOdd<T>(source), factor, zero, table, symmetric, half);
      const e1 = codes(loadEven<T>(source + step), factor, zero, table, symmetric, half);
      const o1 = codes(loadOdd<T>(source + step), factor, zero, table, symmetric, half);
      const packed = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(e0, e1), i16x8.narrow_i32x4_s(o0, o1));
      v128.store(values, v128.shuffle<i8>(packed, packed, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
      values += 16;
    }
    return;
  }
  const top = i8x16.splat(15);
  for (; source + 4 * step <= end; source += 4 * step) {
    const e0 = codes(loadEven<T>(source), factor, zero, table, symmetric, half);
    const e1 = codes(loadEven<T>(source + step), factor, zero, table, symmetric, half);
    const e2 = codes(loadEven<T>(source + 2 * step), factor, zero, table, symmetric, half);
    const e3 = codes(loadEven<T>(source + 3 * step), factor, zero, table, symmetric, half);
    const even = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(e0, e1), i16x8.narrow_i32x4_s(e2, e3));
    const o0 = codes(loadOdd<T>(source), factor, zero, table, symmetric, half);
    const o1 = codes(loadOdd<T>(source + step), factor, zero, table, symmetric, half);
    const o2 = codes(loadOdd<T>(source + 2 * step), factor, zero, table, symmetric, half);
    const o3 = codes(loadOdd<T>(source + 3 * step), factor, zero, table, symmetric, half);
    const odd = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(o0, o1), i16x8.narrow_i32x4_s(o2, o3));
    v128.store(values, v128.or(i8x16.min_u(even, top), i16x8.shl(i8x16.min_u(odd, top), 4)));
    values += 16;
  }
  // A block of 16.
  if (source < end) {
    const e0 = codes(loadEven<T>(source), factor, zero, table, symmetric, half);
    const e1 = codes(loadEven<T>(source + step), factor, zero, table, symmetric, half);
    const o0 = codes(loadOdd<T>(source), factor, zero, table, symmetric, half);
    const o1 = codes(loadOdd<T>(source + step), factor, zero, table, symmetric, half);
    const packed = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(e0, e1), i16x8.narrow_i32x4_s(o0, o1));
    const clamped = i8x16.min_u(packed, top);
    const odd = v128.shuffle<i64>(clamped, clamped, 1, 1);
    v128.store64_lane(values, v128.or(clamped, i16x8.shl(odd, 4)), 0);
  }
}
