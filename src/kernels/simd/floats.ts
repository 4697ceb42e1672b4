/**
 * Lanes of float32 from and to float16 and bfloat16. Integer arithmetic only where a lane may be subnormal as
 * float32: such operands cost a hundred cycles each on some processors. Narrowing rounds to nearest, ties to
 * even; a NaN keeps what fits of its payload and becomes quiet.
 */
import { Bf16, F16, infinityBits, magnitudeBits } from './types';

/** Four float32 from four f16, each in the upper half of a 32-bit lane whose lower half is 0. */
@inline
export function widenHalf(lanes: v128): v128 {
  const sign = v128.and(lanes, i32x4.splat(i32.MIN_VALUE));
  // Exponent and mantissa where float32 has them, the exponent still biased by 15.
  const magnitude = i32x4.shr_u(v128.and(lanes, i32x4.splat(magnitudeBits)), 3);
  const special = v128.and(
    i32x4.gt_s(magnitude, i32x4.splat(0x0f7fffff)),
    i32x4.splat(0x38000000),
  );
  const normal = i32x4.add(i32x4.add(magnitude, i32x4.splat(0x38000000)), special);
  // Subnormal: m·2^-24 = (2^-14 + m·2^-24) - 2^-14, no subnormal operand in between.
  const least = i32x4.splat(0x38800000);
  const subnormal = f32x4.sub(i32x4.add(magnitude, least), least);
  const isSubnormal = i32x4.lt_s(magnitude, i32x4.splat(0x00800000));
  return v128.or(v128.bitselect(subnormal, normal, isSubnormal), sign);
}

/**
 * Four f16 patterns in i32 lanes (0 to 0xffff) from four float32. `clamped`: a finite value does not become
 * infinite and one that is not 0 does not become 0.
 */
@inline
export function narrowHalf(lanes: v128, clamped: bool): v128 {
  const magnitude = v128.and(lanes, i32x4.splat(magnitudeBits));
  const sign = i32x4.shr_u(v128.xor(lanes, magnitude), 16);
  const shifted = i32x4.shr_u(magnitude, 13);
  const odd = v128.and(shifted, i32x4.splat(1));
  // Rebias by -112 and round away 13 bits; a carry may reach infinity, and nothing goes beyond.
  const rounded = i32x4.shr_u(i32x4.add(i32x4.sub(magnitude, i32x4.splat(0x38000000 - 0xfff)), odd), 13);
  const largest = i32x4.min_u(rounded, i32x4.splat(0x7c00));
  // Below 2^-14: 0.5 has a last bit of 2^-24, so that the addition itself rounds.
  const half = i32x4.splat(0x3f000000);
  const isSubnormal = i32x4.lt_s(magnitude, i32x4.splat(0x38800000));
  // A subnormal float32 is as good as 2^-126 here: both round to 0.
  const operand = i32x4.max_s(magnitude, i32x4.splat(0x00800000));
  const subnormal = i32x4.sub(f32x4.add(operand, half), half);
  let result = v128.bitselect(subnormal, largest, isSubnormal);
  if (clamped) {
    const zero = i32x4.splat(0);
    const isZero = i32x4.eq(magnitude, zero);
    const kept = i32x4.min_s(i32x4.max_s(result, i32x4.splat(1)), i32x4.splat(0x7bff));
    const finite = i32x4.lt_s(magnitude, i32x4.splat(infinityBits));
    result = v128.bitselect(kept, result, v128.andnot(finite, isZero));
  }
  const isNaN = i32x4.gt_s(magnitude, i32x4.splat(infinityBits));
  const payload = v128.or(v128.and(shifted, i32x4.splat(0x3ff)), i32x4.splat(0x7e00));
  return v128.or(v128.bitselect(payload, result, isNaN), sign);
}

/** Four bf16 patterns in i32 lanes (0 to 0xffff) from four float32. */
@inline
export function narrowBfloat(lanes: v128): v128 {
  const upper = i32x4.shr_u(lanes, 16);
  const odd = v128.and(upper, i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(lanes, i32x4.splat(0x7fff)), odd), 16);
  const isNaN = i32x4.gt_s(v128.and(lanes, i32x4.splat(magnitudeBits)), i32x4.splat(infinityBits));
  return v128.bitselect(v128.or(upper, i32x4.splat(0x40)), rounded, isNaN);
}

/** float32 lanes from elements that were moved to the upper half of their lanes (float32: as they are). */
@inline
export function widen<T>(lanes: v128): v128 {
  if (isFloat<T>() || isSigned<T>()) return lanes;
  return widenHalf(lanes);
}

/** Elements 0 to 3 at `pointer` as float32. */
@inline
export function loadLow<T>(pointer: usize): v128 {
  if (isFloat<T>()) return v128.load(pointer);
  const packed = v128.load64_zero(pointer);
  return widen<T>(v128.shuffle<i16>(i32x4.splat(0), packed, 0, 8, 1, 9, 2, 10, 3, 11));
}

/** Elements 4 to 7 at `pointer` as float32. */
@inline
export function loadHigh<T>(pointer: usize): v128 {
  if (isFloat<T>()) return v128.load(pointer, 16);
  return loadLow<T>(pointer + 8);
}

/** Elements 0, 2, 4, 6 at `pointer` as float32. */
@inline
export function loadEven<T>(pointer: usize): v128 {
  if (isFloat<T>()) return v128.shuffle<f32>(v128.load(pointer), v128.load(pointer, 16), 0, 2, 4, 6);
  return widen<T>(i32x4.shl(v128.load(pointer), 16));
}

/** Elements 1, 3, 5, 7 at `pointer` as float32. */
@inline
export function loadOdd<T>(pointer: usize): v128 {
  if (isFloat<T>()) return v128.shuffle<f32>(v128.load(pointer), v128.load(pointer, 16), 1, 3, 5, 7);
  return widen<T>(v128.and(v128.load(pointer), i32x4.splat(0xffff0000)));
}

/** One element in every lane, as float32. */
@inline
export function loadSplat<T>(pointer: usize): v128 {
  if (isFloat<T>()) return v128.load32_splat(pointer);
  return widen<T>(i32x4.splat(<i32>load<u16>(pointer) << 16));
}

/** One element as float32. */
@inline
export function loadOne<T>(pointer: usize): f32 {
  if (isFloat<T>()) return load<f32>(pointer);
  return f32x4.extract_lane(loadSplat<T>(pointer), 0);
}

@inline
export function narrow<T>(lanes: v128, clamped: bool): v128 {
  return isSigned<T>() ? narrowBfloat(lanes) : narrowHalf(lanes, clamped);
}

/** Eight float32 as elements at `pointer`. */
@inline
export function storeEight<T>(pointer: usize, low: v128, high: v128, clamped: bool): void {
  if (isFloat<T>()) {
    v128.store(pointer, low);
    v128.store(pointer, high, 16);
  } else {
    v128.store(pointer, i16x8.narrow_i32x4_u(narrow<T>(low, clamped), narrow<T>(high, clamped)));
  }
}

/** Lane 0 of float32 lanes as an element at `pointer`. */
@inline
export function storeOne<T>(pointer: usize, lanes: v128, clamped: bool): void {
  if (isFloat<T>()) v128.store_lane<f32>(pointer, lanes, 0);
  else v128.store_lane<i16>(pointer, narrow<T>(lanes, clamped), 0);
}
