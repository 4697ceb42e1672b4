/** How far two values of one name are apart, and in which of their rows (last axis). */
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { spread } from '../metrics.ts';

export interface ValueError {
  readonly shape: readonly number[];
  /** ‖error‖ / ‖value‖; infinite where shapes or integers differ. */
  readonly relative: number;
  /** max |error| / std, or over the size of the elements where they are all the same */
  readonly max: number;
  /** Elements that are finite in the first value only. */
  readonly nonFinite: number;
  /** Per row ‖error‖ over the root mean square of all rows' norms; infinite where it is not finite. */
  readonly rows: Float64Array;
}

/** Elements that are the same infinity, or no number, in both are equal. */
export function valueError(wanted: RunTensor, found: RunTensor): ValueError {
  const { shape } = wanted;
  if (shape.join() !== found.shape.join() || isFloat(wanted.dtype) !== isFloat(found.dtype))
    return unlike(shape, 1);
  if (!isFloat(wanted.dtype)) {
    let differ = 0;
    for (let i = 0; i < wanted.data.length; i += 1) if (wanted.data[i] !== found.data[i]) differ += 1;
    return unlike(shape, differ);
  }
  return floatError(shape, toFloat32(wanted), toFloat32(found));
}

function unlike(shape: readonly number[], differ: number): ValueError {
  const size = differ === 0 ? 0 : Number.POSITIVE_INFINITY;
  return { shape, relative: size, max: size, nonFinite: 0, rows: new Float64Array(0) };
}

function floatError(shape: readonly number[], wanted: Float32Array, found: Float32Array): ValueError {
  const width = Math.max(1, shape.at(-1) ?? 1);
  const rows = new Float64Array(wanted.length / width);
  let [sum, squares, errors, maxAbs, finite, nonFinite] = [0, 0, 0, 0, 0, 0];
  for (let row = 0; row < rows.length; row += 1) {
    let own = 0;
    for (let i = row * width; i < (row + 1) * width; i += 1) {
      const [r = 0, o = 0] = [wanted[i], found[i]];
      const error = o - r;
      if (Number.isFinite(error)) {
        own += error * error;
        maxAbs = Math.max(maxAbs, Math.abs(error));
        sum += r;
        squares += r * r;
        finite += 1;
      } else if (!Object.is(r, o)) {
        own = Number.POSITIVE_INFINITY;
        nonFinite += 1;
      }
    }
    rows[row] = own;
    if (Number.isFinite(own)) errors += own;
  }
  const n = Math.max(1, finite);
  const norm = Math.sqrt(squares / Math.max(1, rows.length));
  const std = Math.sqrt(Math.max(squares / n - (sum / n) ** 2, 0));
  for (const [row, own] of rows.entries()) rows[row] = ratio(Math.sqrt(own), norm);
  return {
    shape,
    relative: ratio(Math.sqrt(errors), Math.sqrt(squares)),
    max: ratio(maxAbs, spread(std, Math.sqrt(squares / n))),
    nonFinite,
    rows,
  };
}

function ratio(error: number, unit: number): number {
  return error === 0 ? 0 : error / unit;
}

export function exceeds(
  { relative, max, nonFinite }: Pick<ValueError, 'relative' | 'max' | 'nonFinite'>,
  limits: { readonly relative: number; readonly max: number },
): boolean {
  return nonFinite > 0 || !(relative <= limits.relative) || !(max <= limits.max);
}
