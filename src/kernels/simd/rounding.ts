/** Rounding of float32 lanes to whole numbers and to what float16 holds. */
import { narrowHalf, widenHalf } from './floats';

/** The float32 before 0.5: floor(x + this) is x rounded to nearest, halves up, for every x from 0 on. */
export const belowHalf: f32 = 0.49999997;

/** 1.5·2^23: added to a number below 2^22 it leaves the number, rounded to even, in the low bits. */
const magic: f32 = 12582912;
const magicBits: i32 = 0x4b400000;

/** i32 lanes, ties to even, from float32 lanes of less than 2^22. */
@inline
export function toWhole(lanes: v128): v128 {
  return i32x4.sub(f32x4.add(lanes, f32x4.splat(magic)), i32x4.splat(magicBits));
}

/** Float32 lanes rounded to what float16 holds. Not inline: it is many instructions, and few models need it. */
export function toHalf(lanes: v128): v128 {
  return widenHalf(i32x4.shl(narrowHalf(lanes, false), 16));
}

@inline
export function toHalfOne(value: f32): f32 {
  return f32x4.extract_lane(toHalf(f32x4.splat(value)), 0);
}
