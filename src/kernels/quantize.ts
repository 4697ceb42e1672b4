/**
 * Block quantization of weights as MatMulNBits (com.microsoft) stores it. The SIMD kernels do the same bit by
 * bit; recorded outputs of onnxruntime's own quantizer hold both (fixtures/quantize).
 *
 * A weight [rows, columns] (rows = outputs) is cut along its columns into kb = ceil(columns / block) blocks.
 *   values      u8 [rows, kb, block·bits/8]: code k of a block in byte k / (8/bits), first code in the low bits;
 *               the last block is padded
 *   scales      f32 [rows, kb]
 *   zeroPoints  u8 [rows, ceil(kb·bits/8)], packed per row, first in the low bits
 * A weight is (code - zero point)·scale; without zero points they are 2^(bits-1).
 */
import { floatToHalf, halfToFloat } from './half.ts';

export interface BlockQuantization {
  readonly bits: 4 | 8;
  /** Columns per block: a power of two, 16 at least. */
  readonly block: number;
  /** True: no zero points, signed scale. */
  readonly symmetric: boolean;
  /** For a float16 graph: float16 weights, and scales that float16 holds. */
  readonly half?: boolean;
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

/** What a rule makes of a block: all arithmetic in float32, each step rounded. */
interface Rule {
  /** `low` and `high` have 0 between them. */
  readonly scale: (low: number, high: number, highest: number) => number;
  /** Not clamped at the top. */
  readonly zeroPoint: (low: number, scale: number, middle: number) => number;
  /** Not clamped, perhaps NaN. */
  readonly code: (weight: number, scale: number, zeroPoint: number, middle: number) => number;
}

const { fround } = Math;

/** Halves away from zero, for what is not negative; exact, as the sum is float64. */
const roundUp = (value: number): number => Math.floor(value + 0.5);

/** To nearest, ties to even. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

const roundHalf = (value: number): number => halfToFloat(floatToHalf(Float32Array.of(value)))[0] as number;

const asymmetricScale = (low: number, high: number, highest: number): number =>
  fround(fround(high - low) / highest);

/** Multiplies by the reciprocal, which is infinite where the scale is tiny. Below zero everything is clamped. */
const matMulRule: Rule = {
  scale: asymmetricScale,
  zeroPoint: (low, scale) => (scale === 0 ? 0 : roundUp(fround(-low / scale))),
  code: (weight, scale, zeroPoint) =>
    roundUp(fround(fround(weight * (scale === 0 ? 0 : fround(1 / scale))) + zeroPoint)),
};

/** Divides by the scale, ties to even; `round` after each step. */
function tableRule(symmetric: boolean, round: (value: number) => number): Rule {
  return {
    scale: (low, high, highest) => round(round(high - low) / highest),
    zeroPoint: (low, scale, middle) => (scale === 0 ? middle : roundEven(round(-low / scale))),
    code: (weight, scale, zeroPoint, middle) => {
      if (scale === 0) return middle;
      const steps = round(weight / scale);
      return symmetric ? roundEven(steps) + zeroPoint : roundEven(round(steps + zeroPoint));
    },
  };
}

/** Symmetric: the weight of largest magnitude gets code 0, which reaches one step further than the highest. */
function symmetricScale(weights: Float32Array, middle: number): number {
  let low = weights[0] as number;
  let high = low;
  for (const weight of weights) {
    if (weight < low) low = weight;
    if (weight > high) high = weight;
  }
  return fround((Math.abs(high) > Math.abs(low) ? high : low) / -middle);
}

/** The smallest and the largest weight, 0 included. */
function rangeWithZero(weights: Float32Array): readonly [low: number, high: number] {
  let low = 0;
  let high = 0;
  for (const weight of weights) {
    if (weight < low) low = weight;
    else if (weight > high) high = weight;
  }
  return [low, high];
}

function quantize(
  weights: Float32Array,
  columns: number,
  { bits, block, symmetric, half = false }: BlockQuantization,
  rule: Rule,
): QuantizedRows & { readonly bad: number } {
  const rows = columns === 0 ? 0 : weights.length / columns;
  const blocks = Math.ceil(columns / block);
  const blob = packedBytes(block, bits);
  const zeroPointBytes = packedBytes(blocks, bits);
  const highest = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const values = new Uint8Array(rows * blocks * blob);
  const scales = new Float32Array(rows * blocks);
  const zeroPoints = symmetric ? undefined : new Uint8Array(rows * zeroPointBytes);
  let bad = -1;
  for (let slot = 0; slot < rows * blocks; slot++) {
    const row = Math.floor(slot / blocks);
    const index = slot % blocks;
    const begin = row * columns + index * block;
    const part = weights.subarray(begin, Math.min(begin + block, (row + 1) * columns));
    const finite = findNonFinite(part) < 0;
    let scale = NaN;
    let zeroPoint = 0;
    if (finite && symmetric) {
      scale = symmetricScale(part, middle);
      zeroPoint = middle;
    } else if (finite) {
      const [low, high] = rangeWithZero(part);
      scale = rule.scale(low, high, highest);
      zeroPoint = Math.min(rule.zeroPoint(low, scale, middle), highest);
    }
    if (half) scale = roundHalf(scale);
    if (bad < 0 && !Number.isFinite(scale)) bad = slot;
    scales[slot] = scale;
    if (zeroPoints !== undefined) setPacked(zeroPoints, row * zeroPointBytes, index, bits, zeroPoint);
    if (zeroPoints !== undefined && bits === 4 && index === blocks - 1 && blocks % 2 === 1) {
      setPacked(zeroPoints, row * zeroPointBytes, blocks, bits, middle);
    }
    if (!finite) continue;
    const codes = Array.from(part, (weight) => {
      const code = rule.code(weight, scale, zeroPoint, middle);
      return code > 0 ? Math.min(code, highest) : 0;
    });
    if (bits === 4 && codes.length % 2 === 1) codes.push(codes.at(-2) ?? 0);
    codes.forEach((code, k) => {
      setPacked(values, slot * blob, k, bits, code);
    });
  }
  return { values, scales, zeroPoints, bad };
}

/** Sets the code at `index`, once: the bits are 0 before. */
function setPacked(bytes: Uint8Array, base: number, index: number, bits: number, code: number): void {
  const at = base + Math.floor((index * bits) / 8);
  bytes[at] = (bytes[at] as number) | (code << ((index * bits) % 8));
}

/**
 * Quantizes weights [rows, columns] for MatMulNBits, as onnxruntime's quantizer does it, bit by bit: codes are
 * clamp(round(w·(1/scale) + zero point)), halves away from zero; the scale is the one that is stored, the zero
 * point that of the exact one. The code after an odd number of them is the one before the last, the zero point
 * after an odd number 2^(bits-1).
 *
 * `bad` is the first block (row·kb + block) without a finite scale, -1 if there is none: with a NaN or an
 * infinity in it (scale NaN, codes and zero point 0), or with a range beyond float32 (scale infinite).
 */
export function quantizeRows(
  weights: Float32Array,
  columns: number,
  options: BlockQuantization,
): QuantizedRows & { readonly bad: number } {
  return quantize(weights, columns, options, matMulRule);
}

/**
 * Quantizes a table [rows, columns] for GatherBlockQuantized, as onnxruntime's quantizer does it: codes are
 * clamp(round(w/scale + zero point)), ties to even; with `half` every step is rounded to float16. Symmetric codes
 * are stored with 2^(bits-1) added. `columns` is a multiple of the block. `bad` as for `quantizeRows`.
 */
export function quantizeTableRows(
  weights: Float32Array,
  columns: number,
  options: BlockQuantization,
): QuantizedRows & { readonly bad: number } {
  const { symmetric, half } = options;
  return quantize(weights, columns, options, tableRule(symmetric, half === true ? roundHalf : fround));
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
