/** Floats in memory that are NaN or infinite: for constants and small tensors, which no kernel goes through. */
import type { DType } from '../../tensor/dtype.ts';

/** Bytes of an element, and the bits that only NaN and infinity have all set. Little endian. */
const exponents: Partial<Record<DType, readonly [size: number, mask: number]>> = {
  float16: [2, 0x7c00],
  bfloat16: [2, 0x7f80],
  float32: [4, 0x7f800000],
};

/** Index of the first element that is not finite, or -1. */
export function indexOfNonFinite(dtype: DType, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'float64') {
    for (let at = 0; at < bytes.byteLength; at += 8)
      if (!Number.isFinite(view.getFloat64(at, true))) return at / 8;
    return -1;
  }
  const [size, mask] = exponents[dtype] ?? [0, 0];
  if (size === 0) return -1;
  for (let at = 0; at < bytes.byteLength; at += size) {
    const bits = size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
    if ((bits & mask) === mask) return at / size;
  }
  return -1;
}
