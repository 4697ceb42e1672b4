/** Selecting rows (slices of axis 0) of a tensor of any rank and element type of whole bytes. */
import { byteLengthOf } from '../dtype.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { derive } from './derive.ts';

/** `count` rows from `start` on, `stride` apart. */
export type RowSegment = readonly [start: number, count: number, stride: number];

/** Rows [begin, end). */
export function sliceRows(tensor: Tensor, begin: number, end: number): Tensor {
  if (begin === 0 && end === tensor.shape[0]) return tensor;
  if (begin > end) throw new RangeError(`rows ${begin}..${end} are no range`);
  return permuteRows(tensor, [[begin, end - begin, 1]]);
}

/** The rows of the segments, one segment after the other; rows may repeat or be left out. */
export function permuteRows(tensor: Tensor, segments: readonly RowSegment[]): Tensor {
  const [rows, ...rest] = tensor.shape;
  if (rows === undefined) throw new RangeError('a scalar has no rows');
  const rowBytes = byteLengthOf(tensor.dtype, rest);
  if (rowBytes * rows !== tensor.byteLength) throw new RangeError('rows are not whole bytes');
  /** Where each segment's rows begin in the output. */
  const starts: number[] = [];
  let total = 0;
  for (const [start, count, stride] of segments) {
    const last = start + (count - 1) * stride;
    const whole = [start, count, stride].every(Number.isSafeInteger);
    if (!whole || count < 0 || stride < 1 || start < 0 || (count === 0 ? start : last + 1) > rows) {
      throw new RangeError(`rows ${start} + ${count} x ${stride} are outside [${tensor.shape}]`);
    }
    starts.push(total);
    total += count;
  }

  const computeRows = async (begin: number, end: number): Promise<readonly Uint8Array[]> => {
    const out = new Uint8Array((end - begin) * rowBytes);
    for (const [index, [start, count, stride]] of segments.entries()) {
      const base = starts[index] ?? 0;
      const from = Math.max(begin - base, 0);
      const to = Math.min(end - base, count);
      if (from >= to) continue;
      if (stride === 1) {
        const bytes = await tensor.read((start + from) * rowBytes, (start + to) * rowBytes);
        out.set(bytes, (base + from - begin) * rowBytes);
      } else {
        for (let row = from; row < to; row++) {
          const at = (start + row * stride) * rowBytes;
          out.set(await tensor.read(at, at + rowBytes), (base + row - begin) * rowBytes);
        }
      }
    }
    return [out];
  };

  return derivedTensor(
    derive({
      op: 'permute-rows',
      params: { segments },
      readings: [{ tensor, perRow: rowBytes }],
      outputs: [{ dtype: tensor.dtype, shape: [total, ...rest] }],
      rows: total,
      computeRows,
    }),
  );
}

export function rebuildPermuteRows(
  [tensor]: readonly Tensor[],
  { segments }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const valid = (segment: JsonValue): segment is RowSegment =>
    Array.isArray(segment) && segment.length === 3 && segment.every((part) => typeof part === 'number');
  if (tensor === undefined || !Array.isArray(segments) || !segments.every(valid)) {
    throw new RangeError('permute-rows: wrong recipe');
  }
  return [permuteRows(tensor, segments)];
}
