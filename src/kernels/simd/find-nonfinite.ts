/** The first element that is NaN or infinite. Twin: findNonFinite of ../quantize.ts. */
import { Bf16, F16 } from './types';

/** Exponent bits, all set where an element is not finite. */
@inline
function exponentBits<T>(): i32 {
  return isFloat<T>() ? 0x7f800000 : isSigned<T>() ? 0x7f80 : 0x7c00;
}

/** Whether the 64 bytes at `pointer` hold one. */
@inline
function anyIn64<T>(pointer: usize): bool {
  const a = v128.load(pointer);
  const b = v128.load(pointer, 16);
  const c = v128.load(pointer, 32);
  const d = v128.load(pointer, 48);
  if (isFloat<T>()) {
    const mask = i32x4.splat(exponentBits<T>());
    const ab = i32x4.max_u(v128.and(a, mask), v128.and(b, mask));
    const cd = i32x4.max_u(v128.and(c, mask), v128.and(d, mask));
    return v128.any_true(i32x4.eq(i32x4.max_u(ab, cd), mask));
  }
  const mask = i16x8.splat(<i16>exponentBits<T>());
  const ab = i16x8.max_u(v128.and(a, mask), v128.and(b, mask));
  const cd = i16x8.max_u(v128.and(c, mask), v128.and(d, mask));
  return v128.any_true(i16x8.eq(i16x8.max_u(ab, cd), mask));
}

@inline
function find<T>(source: usize, count: usize): i32 {
  const end = source + count * sizeof<T>();
  let pointer = source;
  while (pointer + 64 <= end && !anyIn64<T>(pointer)) pointer += 64;
  for (; pointer < end; pointer += sizeof<T>()) {
    const exponent = <i32>load<T>(pointer) & exponentBits<T>();
    const bits = isFloat<T>() ? load<i32>(pointer) & exponentBits<T>() : exponent;
    if (bits === exponentBits<T>()) return <i32>((pointer - source) / sizeof<T>());
  }
  return -1;
}

export function find_nonfinite_f32(source: usize, count: usize): i32 {
  return find<f32>(source, count);
}

export function find_nonfinite_bf16(source: usize, count: usize): i32 {
  return find<Bf16>(source, count);
}

export function find_nonfinite_f16(source: usize, count: usize): i32 {
  return find<F16>(source, count);
}
