/**
 * Symmetric int8 with one scale per row, as onnxruntime's dynamic quantization stores weights per channel. The
 * SIMD kernels do the same bit by bit.
 *
 *   values  i8 [rows, columns]: round(w / scale), ties to even, -127 to 127
 *   scales  f32 [rows]: max |w| / 127; 1 where that would be subnormal
 */
import { findNonFinite, roundEven } from './quantize.ts';

export interface QuantizedChannels {
  readonly values: Int8Array;
  readonly scales: Float32Array;
  /** The first row with a NaN or an infinity (its scale is NaN, its values are 0), -1 if there is none. */
  readonly bad: number;
}

const smallestNormal = 2 ** -126;

export function quantizeChannels(weights: Float32Array, columns: number): QuantizedChannels {
  const rows = columns === 0 ? 0 : weights.length / columns;
  const values = new Int8Array(weights.length);
  const scales = new Float32Array(rows);
  let bad = -1;
  for (let row = 0; row < rows; row++) {
    const part = weights.subarray(row * columns, (row + 1) * columns);
    if (findNonFinite(part) >= 0) {
      if (bad < 0) bad = row;
      scales[row] = NaN;
      continue;
    }
    // float64, rounded once: the quotient of two float32 is then the same as if it had been computed in float32.
    const exact = part.reduce((largest, weight) => Math.max(largest, Math.abs(weight)), 0) / 127;
    const scale = exact < smallestNormal ? 1 : Math.fround(exact);
    scales[row] = scale;
    part.forEach((weight, i) => {
      values[row * columns + i] = roundEven(Math.fround(weight / scale));
    });
  }
  return { values, scales, bad };
}
