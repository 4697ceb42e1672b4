/**
 * The float32 weights that block-quantized ones stand for: (code - zero point)·scale. Twin, with the layouts:
 * dequantizeRows of ../quantize.ts. Target rows have `targetStride` bytes from row to row.
 */

/** Sixteen codes, one per byte, as float32 at `target`. */
@inline
function storeSixteen(target: usize, codes: v128, zero: v128, scale: v128): void {
  const low = i16x8.sub(i16x8.extend_low_i8x16_u(codes), zero);
  const high = i16x8.sub(i16x8.extend_high_i8x16_u(codes), zero);
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scale));
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scale), 16);
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scale), 32);
  v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scale), 48);
}

/** Sixteen codes, one per byte, from 16 or 8 bytes. */
@inline
function loadCodes(values: usize, bits: i32): v128 {
  if (bits === 8) return v128.load(values);
  const packed = v128.load64_zero(values);
  const low = v128.and(packed, i8x16.splat(15));
  const high = i8x16.shr_u(packed, 4);
  return v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** `zeroPoints` 0: there are none, every zero point is 2^(bits - 1). */
export function dequantize_blocks(
  values: usize,
  scales: usize,
  zeroPoints: usize,
  rows: usize,
  columns: usize,
  block: usize,
  bits: i32,
  target: usize,
  targetStride: usize,
): void {
  const blocks = (columns + block - 1) / block;
  const valueBytes: usize = (block * bits) >> 3;
  const zeroPointBytes: usize = (blocks * bits + 7) >> 3;
  const mask: i32 = (1 << bits) - 1;
  for (let row: usize = 0; row < rows; row++) {
    for (let index: usize = 0; index < blocks; index++) {
      let zero: i32 = 1 << (bits - 1);
      if (zeroPoints !== 0) {
        const bit = index * bits;
        zero = (<i32>load<u8>(zeroPoints + (bit >> 3)) >> (<i32>bit & 7)) & mask;
      }
      const scale = load<f32>(scales);
      const zeros = i16x8.splat(<i16>zero);
      const factors = f32x4.splat(scale);
      const to = target + index * block * 4;
      const count = min(block, columns - index * block);
      let i: usize = 0;
      for (; i + 16 <= count; i += 16) {
        storeSixteen(to + i * 4, loadCodes(values + ((i * bits) >> 3), bits), zeros, factors);
      }
      for (; i < count; i++) {
        const bit = i * bits;
        const code = (<i32>load<u8>(values + (bit >> 3)) >> (<i32>bit & 7)) & mask;
        store<f32>(to + i * 4, <f32>(code - zero) * scale);
      }
      values += valueBytes;
      scales += 4;
    }
    if (zeroPoints !== 0) zeroPoints += zeroPointBytes;
    target += targetStride;
  }
}
