/** Arithmetic on whole tensors, in float64. */
import type { RunTensor } from '../../runtime/values.ts';

/** Below is the rounding of float32, of the runtime or of what computes weights. */
export const roundingError = 1e-5;

export function floats({ data }: RunTensor): Float32Array {
  return data as Float32Array;
}

/** ‖found - wanted‖ / ‖wanted‖, infinite where the latter is 0 or one is not finite. */
export function relativeError(wanted: Float32Array, found: Float32Array): number {
  let [errors, squares] = [0, 0];
  for (let at = 0; at < wanted.length; at += 1) {
    const value = wanted[at] ?? 0;
    const error = (found[at] ?? 0) - value;
    errors += error * error;
    squares += value * value;
  }
  if (errors === 0) return 0;
  return Number.isFinite(errors) ? Math.sqrt(errors / squares) : Number.POSITIVE_INFINITY;
}

/** The factor between two tensors where it is the same for all values. */
export function proportion(
  wanted: Float32Array,
  found: Float32Array,
  exactTo: number = roundingError,
): number | undefined {
  let [dot, squares] = [0, 0];
  for (const [at, value] of wanted.entries()) {
    dot += value * (found[at] ?? 0);
    squares += value * value;
  }
  if (squares === 0) return undefined;
  const factor = dot / squares;
  const scaled = Float32Array.from(wanted, (value) => value * factor);
  return factor !== 0 && relativeError(scaled, found) <= exactTo ? factor : undefined;
}

export function formatFactor(factor: number): string {
  return String(Number(factor.toPrecision(4)));
}

export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      out[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return out;
}
