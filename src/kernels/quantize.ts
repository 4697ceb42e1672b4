/**
 * Block quantization of weights as MatMulNBits (com.microsoft) stores it.
 *
 * A weight [rows, columns] (rows = outputs) is cut along its columns into kb = ceil(columns / block) blocks.
 *   values      u8 [rows, kb, block·bits/8]: code k of a block in byte k / (8/bits), first code in the low bits;
 *               the last block is padded with its zero point
 *   scales      f32 [rows, kb]
 *   zeroPoints  u8 [rows, ceil(kb·bits/8)], packed per row, first in the low bits; unused bits are 0
 * A weight is (code - zero point)·scale; without zero points they are 2^(bits-1).
 */

export interface BlockQuantization {
  readonly bits: 4 | 8;
  /** Columns per block: a power of two, 16 at least. */
  readonly block: number;
  /** True: no zero points, signed scale. */
  readonly symmetric: boolean;
}

export interface QuantizedRows {
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  /** Undefined where symmetric. */
  readonly zeroPoints: Uint8Array | undefined;
}

/** Bytes that `count` codes of `bits` take, packed. */
export const packedBytes = (count: number, bits: number): number => Math.ceil((count * bits) / 8);

/** Index of the first value that is NaN or infinite, -1 if there is none. */
export function findNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) return i;
  }
  return -1;
}

/**
 * Quantizes finite weights [rows, columns]. Codes are computed in float32 with the scale that is stored:
 * clamp(round(w·(1/scale) + zero point)), halves away from zero; a scale too small to invert becomes 0, and
 * all codes of its block the zero point.
 */
export function quantizeRows(
  weights: Float32Array,
  columns: number,
  { bits, block, symmetric }: BlockQuantization,
): QuantizedRows {
  const rows = columns === 0 ? 0 : weights.length / columns;
  const blocks = Math.ceil(columns / block);
  const blob = packedBytes(block, bits);
  const zeroPointBytes = packedBytes(blocks, bits);
  const highest = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const values = new Uint8Array(rows * blocks * blob);
  const scales = new Float32Array(rows * blocks);
  const zeroPoints = symmetric ? undefined : new Uint8Array(rows * zeroPointBytes);
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < blocks; index++) {
      const begin = row * columns + index * block;
      const end = Math.min(begin + block, (row + 1) * columns);
      let low = 0;
      let high = 0;
      for (let i = begin; i < end; i++) {
        const weight = weights[i] as number;
        if (weight < low) low = weight;
        else if (weight > high) high = weight;
      }
      // Symmetric: the value of largest magnitude gets code 0, which reaches one step further than the highest.
      const exact = symmetric ? (high > -low ? high : low) / -middle : (high - low) / highest;
      const rounded = Math.fround(exact);
      const inverse = rounded === 0 ? 0 : Math.fround(1 / rounded);
      const usable = Number.isFinite(inverse);
      const scale = usable ? rounded : 0;
      const reciprocal = usable ? inverse : 0;
      let zeroPoint = middle;
      if (zeroPoints !== undefined) {
        zeroPoint = scale === 0 ? 0 : Math.min(Math.floor(-low / scale + 0.5), highest);
        const at = row * zeroPointBytes + Math.floor((index * bits) / 8);
        zeroPoints[at] = (zeroPoints[at] as number) | (zeroPoint << ((index * bits) % 8));
      }
      const slot = row * blocks + index;
      scales[slot] = scale;
      const codes = values.subarray(slot * blob, (slot + 1) * blob);
      for (let k = 0; k < block; k++) {
        let code = zeroPoint;
        if (begin + k < end) {
          const steps = Math.fround(Math.fround((weights[begin + k] as number) * reciprocal) + zeroPoint);
          // Below zero everything is clamped, so that half up is half away from zero.
          code = steps <= 0 ? 0 : Math.min(Math.floor(steps + 0.5), highest);
        }
        if (bits === 8) codes[k] = code;
        else codes[k >> 1] = (codes[k >> 1] as number) | (code << ((k & 1) * 4));
      }
    }
  }
  return { values, scales, zeroPoints };
}

/** The weights [rows, columns] that quantized rows stand for, float32. */
export function dequantizeRows(
  { values, scales, zeroPoints }: QuantizedRows,
  columns: number,
  { bits, block }: Pick<BlockQuantization, 'bits' | 'block'>,
): Float32Array {
  const blocks = Math.ceil(columns / block);
  const rows = blocks === 0 ? 0 : scales.length / blocks;
  const blob = packedBytes(block, bits);
  const zeroPointBytes = packedBytes(blocks, bits);
  const mask = 2 ** bits - 1;
  const perByte = 8 / bits;
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const index = Math.floor(column / block);
      const slot = row * blocks + index;
      const within = column - index * block;
      const byte = values[slot * blob + Math.floor(within / perByte)] as number;
      const code = (byte >> ((within % perByte) * bits)) & mask;
      let zeroPoint = 2 ** (bits - 1);
      if (zeroPoints !== undefined) {
        const packed = zeroPoints[row * zeroPointBytes + Math.floor((index * bits) / 8)] as number;
        zeroPoint = (packed >> ((index * bits) % 8)) & mask;
      }
      out[row * columns + column] = (code - zeroPoint) * (scales[slot] as number);
    }
  }
  return out;
}
