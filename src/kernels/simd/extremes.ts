/**
 * Smallest and largest of runs of elements, by their bit patterns: as signed integers positive floats are in
 * order and the largest is the largest float, as unsigned integers the largest is the negative float of largest
 * magnitude. A NaN is beyond infinity in both orders, so that one comparison at the end finds it.
 */
import { widenHalf } from './floats';

/**
 * Bits of max(0, elements) for f32, in each of 4 lanes; for 16-bit elements in the upper halves of the lanes,
 * lower halves 0. `count` is a multiple of 16.
 */
@inline
export function highLanes<T>(pointer: usize, count: usize): v128 {
  const end = pointer + count * sizeof<T>();
  if (isFloat<T>()) {
    let high = i32x4.splat(0);
    for (; pointer < end; pointer += 32) {
      high = i32x4.max_s(high, i32x4.max_s(v128.load(pointer), v128.load(pointer, 16)));
    }
    return high;
  }
  let high = i16x8.splat(0);
  for (; pointer < end; pointer += 32) {
    high = i16x8.max_s(high, i16x8.max_s(v128.load(pointer), v128.load(pointer, 16)));
  }
  return i32x4.max_s(i32x4.shl(high, 16), v128.and(high, i32x4.splat(0xffff0000)));
}

/** As `highLanes`, with the order of unsigned patterns: the negative element of largest magnitude, if any. */
@inline
export function lowLanes<T>(pointer: usize, count: usize): v128 {
  const end = pointer + count * sizeof<T>();
  if (isFloat<T>()) {
    let low = i32x4.splat(0);
    for (; pointer < end; pointer += 32) {
      low = i32x4.max_u(low, i32x4.max_u(v128.load(pointer), v128.load(pointer, 16)));
    }
    return low;
  }
  let low = i16x8.splat(0);
  for (; pointer < end; pointer += 32) {
    low = i16x8.max_u(low, i16x8.max_u(v128.load(pointer), v128.load(pointer, 16)));
  }
  return i32x4.max_u(i32x4.shl(low, 16), v128.and(low, i32x4.splat(0xffff0000)));
}

/** Lane k of the result is the largest lane of the k-th argument. */
@inline
export function reduceSigned(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.max_s(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.max_s(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.max_s(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

@inline
export function reduceUnsigned(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.max_u(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.max_u(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.max_u(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

/** Extremes as float32: what `highLanes` and `lowLanes` found, in the type's own bits. */
@inline
export function asFloats<T>(lanes: v128): v128 {
  return isFloat<T>() || isSigned<T>() ? lanes : widenHalf(lanes);
}
