/**
 * float16 and bfloat16 from and to float32. Both directions are exact where the value is representable;
 * narrowing rounds to nearest, ties to even, and overflows to infinity. A NaN stays a (quiet) NaN.
 */

/** Smallest and largest magnitude that float16 practice keeps: 2^-24 as its decimal spelling, and 65504. */
const smallestHalf = 5.96e-8;
const largestHalf = 65504;

/** Bit patterns of float32 for each float16 pattern: 256 KiB, made at first use. */
let halfTable: Uint32Array | undefined;

function makeHalfTable(): Uint32Array {
  const table = new Uint32Array(65536);
  const asFloat = new Float32Array(table.buffer);
  for (let pattern = 0; pattern < 65536; pattern++) {
    const exponent = (pattern >>> 10) & 31;
    const mantissa = pattern & 1023;
    const sign = (pattern & 0x8000) << 16;
    if (exponent === 31) table[pattern] = sign | 0x7f800000 | (mantissa << 13);
    else if (exponent > 0) table[pattern] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    else asFloat[pattern] = (pattern & 0x8000 ? -1 : 1) * mantissa * 2 ** -24;
  }
  return table;
}

export function halfToFloat(source: Uint16Array): Float32Array {
  halfTable ??= makeHalfTable();
  const table = halfTable;
  const out = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) out[i] = table[source[i] as number] as number;
  return new Float32Array(out.buffer);
}

export function bfloatToFloat(source: Uint16Array): Float32Array {
  const out = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) out[i] = (source[i] as number) << 16;
  return new Float32Array(out.buffer);
}

export function floatToHalf(source: Float32Array): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    const magnitude = word & 0x7fffffff;
    let half: number;
    if (magnitude >= 0x47800000) {
      // 2^16 and above, infinity, NaN.
      half = magnitude > 0x7f800000 ? 0x7e00 | ((magnitude >>> 13) & 0x3ff) : 0x7c00;
    } else if (magnitude >= 0x38800000) {
      // Normal: rebias the exponent by -112 and round away 13 bits; a carry may reach infinity, as it must.
      half = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
    } else if (magnitude > 0x33000000) {
      // Subnormal: a multiple of 2^-24. The shift is at most 24 bits, what falls off decides the rounding.
      const shift = 126 - (magnitude >>> 23);
      const mantissa = (magnitude & 0x7fffff) | 0x800000;
      const kept = mantissa >>> shift;
      const rest = mantissa & ((1 << shift) - 1);
      const tie = 1 << (shift - 1);
      half = kept + (rest > tie || (rest === tie && (kept & 1) === 1) ? 1 : 0);
    } else {
      half = 0;
    }
    out[i] = (word >>> 16) & 0x8000 ? half | 0x8000 : half;
  }
  return out;
}

export function floatToBfloat(source: Float32Array): Uint16Array {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const out = new Uint16Array(source.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    const notANumber = (word & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}

/**
 * The practice of ONNX float16 converters for constants: 0 < |x| < 5.96e-8 becomes ±5.96e-8 (so that it does
 * not vanish), finite |x| > 65504 becomes ±65504. Infinities and NaN stay. Changes `values` in place.
 */
export function clampToHalfRange(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const magnitude = Math.abs(value);
    if (magnitude > 0 && magnitude < smallestHalf) values[i] = value < 0 ? -smallestHalf : smallestHalf;
    else if (magnitude > largestHalf && magnitude < Infinity) {
      values[i] = value < 0 ? -largestHalf : largestHalf;
    }
  }
}

/**
 * float64 to float32 rounded to odd: truncated, with the last bit set where anything was cut off. Rounding the
 * result again to float16 or bfloat16 then gives what one rounding from float64 gives.
 */
export function roundToOdd(source: Float64Array): Float32Array {
  const out = new Float32Array(source);
  const bits = new Int32Array(out.buffer);
  for (let i = 0; i < out.length; i++) {
    const exact = source[i] as number;
    const near = out[i] as number;
    if (near === exact || Number.isNaN(exact)) continue;
    // Magnitude bits are ordered like magnitudes: one less is the next value toward zero.
    const truncated = Math.abs(near) > Math.abs(exact) ? (bits[i] as number) - 1 : (bits[i] as number);
    bits[i] = truncated | 1;
  }
  return out;
}
