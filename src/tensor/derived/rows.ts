/** Selecting rows (slices of axis 0) of a tensor of any rank and element type of whole bytes. */
import { derivedTensor, type JsonValue, type Need, type Tensor } from '../tensor.ts';
import { elementBytes, matrixOf, type Window } from '../window.ts';
import { cast } from './cast.ts';
import { derivationOf, onlyInput, regionAt } from './derive.ts';
import { copyParts } from './parts.ts';

/** `count` rows from `start` on. */
export type RowSegment = readonly [start: number, count: number];

/** Rows [begin, end). */
export function sliceRows(tensor: Tensor, begin: number, end: number): Tensor {
  if (begin === 0 && end === tensor.shape[0]) return tensor;
  if (begin > end) throw new RangeError(`rows ${begin}..${end} are no range`);
  return permuteRows(tensor, [[begin, end - begin]]);
}

/**
 * The rows of the segments, one segment after the other; rows may repeat or be left out. A cast moves outward, so
 * that the narrow type is what gets moved.
 */
export function permuteRows(tensor: Tensor, segments: readonly RowSegment[]): Tensor {
  const widening = derivationOf(tensor, 'cast');
  if (widening !== undefined) {
    const options = widening.params.clampToFinite === true ? { clampToFinite: true } : {};
    return cast(permuteRows(onlyInput(widening), segments), tensor.dtype, options);
  }
  const [rows, ...rest] = tensor.shape;
  if (rows === undefined) throw new RangeError('a scalar has no rows');
  const size = elementBytes(tensor.dtype);
  // A row of a tensor of more than two axes is several rows of its matrix.
  const perRow = rows === 0 ? 0 : matrixOf(tensor.shape)[0] / rows;
  /** Where each segment's matrix rows begin in the output, and in the tensor. */
  const places: { readonly begin: number; readonly from: number; readonly count: number }[] = [];
  let total = 0;
  for (const [start, count] of segments) {
    const whole = [start, count].every(Number.isSafeInteger);
    if (!whole || count < 0 || start < 0 || start + count > rows) {
      throw new RangeError(`rows ${start} + ${count} are outside [${tensor.shape}]`);
    }
    places.push({ begin: total * perRow, from: start * perRow, count: count * perRow });
    total += count;
  }

  const needs = (window: Window): Need[] =>
    places.flatMap(({ begin, from, count }) => {
      const first = Math.max(window.row - begin, 0);
      const last = Math.min(window.row + window.rows - begin, count);
      return first < last ? [{ input: 0, window: { ...window, row: from + first, rows: last - first } }] : [];
    });

  return derivedTensor({
    op: 'permute-rows',
    params: { segments },
    inputs: [tensor],
    outputs: [{ dtype: tensor.dtype, shape: [total, ...rest] }],
    rows: total * perRow,
    needs,
    compute: (window, inputs, outputs, context) =>
      copyParts(needs(window), inputs, regionAt(outputs, 0), window.columns * size, context),
  });
}

export function rebuildPermuteRows(
  [tensor]: readonly Tensor[],
  { segments }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const valid = (segment: JsonValue): segment is RowSegment =>
    Array.isArray(segment) && segment.length === 2 && segment.every((part) => typeof part === 'number');
  if (tensor === undefined || !Array.isArray(segments) || !segments.every(valid)) {
    throw new RangeError('permute-rows: wrong recipe');
  }
  return [permuteRows(tensor, segments)];
}
