/**
 * The weights that a module has with an adapter, as derived tensors: everything is computed in float32 and rounded
 * by nobody but the output's own precision. Layouts: linear weights [out, in], or [in, out] under fan_in_fan_out;
 * embeddings [vocab, dim]; convolutions [out, in, kh, kw]. Source of the math: peft/tuners/lora/layer.py and dora.py.
 */
import { bytesOf, viewAs } from '../../../kernels/bytes.ts';
import { fail } from '../../../report/diagnostics.ts';
import { show } from '../../../report/show.ts';
import { computedSource } from '../../../tensor/computed-source.ts';
import { cast } from '../../../tensor/derived/cast.ts';
import { sameShape } from '../../../tensor/derived/derive.ts';
import { concat } from '../../../tensor/derived/join.ts';
import { type LowRank, lowRankUpdate } from '../../../tensor/derived/low-rank-update.ts';
import { reshape } from '../../../tensor/derived/reshape.ts';
import { permuteRows, type RowSegment } from '../../../tensor/derived/rows.ts';
import { type ScaledAxis, scaleAxis } from '../../../tensor/derived/scale-axis.ts';
import { transpose2d } from '../../../tensor/derived/transpose.ts';
import { elementCount, isFloat } from '../../../tensor/dtype.ts';
import { inlineTensor, sourceTensor, type Tensor } from '../../../tensor/tensor.ts';

/** Of a module's update. */
export interface UpdateOptions {
  /** For messages: the adapter's file and the module. */
  readonly where: string;
  readonly rank: number;
  readonly scale: number;
  readonly fanInFanOut: boolean;
  /** DoRA's magnitude. */
  readonly magnitude: Tensor | undefined;
}

/** W + scale · B · A of a linear layer or a convolution; with a magnitude, each output scaled to it. */
export function updatedLinear(base: Tensor, a: Tensor, b: Tensor, options: UpdateOptions): Tensor {
  const { where, rank } = options;
  const [outputs = 0] = b.shape;
  const matrixA = asMatrix(a);
  const matrixB = asMatrix(b);
  if (matrixA.shape[0] !== rank || matrixB.shape[1] !== rank) {
    const found = `A ${show(a.shape)}, B ${show(b.shape)}`;
    throw fail('VC1308', { where, found, expected: `rank ${rank} in both` });
  }
  const inputs = matrixA.shape[1] ?? 0;
  const stored = base.shape.length > 2 ? asMatrix(base) : base;
  const straight = sameShape(stored.shape, [outputs, inputs]);
  const turned = base.shape.length === 2 && sameShape(stored.shape, [inputs, outputs]);
  // The flag stands for all modules of an adapter, and a model may have layers of both kinds.
  const fanInFanOut = turned && (options.fanInFanOut || !straight);
  if (!(straight || turned)) {
    throw fail('VC1308', {
      where,
      found: `A ${show(a.shape)}, B ${show(b.shape)}`,
      expected: `factors of a weight ${show(base.shape)}`,
    });
  }
  const factors = fanInFanOut
    ? { a: transpose2d(float32(matrixB)), b: transpose2d(float32(matrixA)) }
    : { a: float32(matrixA), b: float32(matrixB) };
  const merged = lowRankUpdate(float32(stored), [{ ...factors, scale: scalar(options.scale) }]);
  const scaled = withMagnitude(merged, fanInFanOut ? 'columns' : 'rows', options);
  return reshape(scaled, base.shape);
}

/** W + scale · (B · A)ᵀ of an embedding; A [r, vocab], B [dim, r]. DoRA's norm runs over the vocabulary. */
export function updatedEmbedding(base: Tensor, a: Tensor, b: Tensor, options: UpdateOptions): Tensor {
  const { where, rank } = options;
  const [vocab = 0, dim = 0] = base.shape;
  if (!sameShape(a.shape, [rank, vocab]) || !sameShape(b.shape, [dim, rank])) {
    throw fail('VC1308', {
      where,
      found: `A ${show(a.shape)}, B ${show(b.shape)}`,
      expected: `A ${show([rank, vocab])}, B ${show([dim, rank])}`,
    });
  }
  const update: LowRank = {
    a: transpose2d(float32(b)),
    b: transpose2d(float32(a)),
    scale: scalar(options.scale),
  };
  return withMagnitude(lowRankUpdate(float32(base), [update]), 'columns', options);
}

/** bias + scale · change, both [out] */
export function updatedBias(base: Tensor, change: Tensor, scale: number, where: string): Tensor {
  if (!sameShape(base.shape, change.shape) || base.shape.length !== 1) {
    throw fail('VC1308', { where, found: show(change.shape), expected: show(base.shape) });
  }
  const column = (tensor: Tensor): Tensor => reshape(float32(tensor), [...tensor.shape, 1]);
  const one = inlineTensor('float32', [1, 1], bytesOf(Float32Array.of(1)));
  return reshape(
    lowRankUpdate(column(base), [{ a: one, b: column(change), scale: scalar(scale) }]),
    base.shape,
  );
}

/** A table [vocab, dim] in which `rows` stand in the places `indices`. */
export function replacedRows(table: Tensor, rows: Tensor, indices: readonly number[], where: string): Tensor {
  const [vocab = 0, dim = 0] = table.shape;
  const outside = indices.find((index) => index >= vocab);
  if (!sameShape(rows.shape, [indices.length, dim]) || outside !== undefined) {
    throw fail('VC1308', {
      where,
      found: outside === undefined ? show(rows.shape) : `row ${outside}`,
      expected: `${show([indices.length, dim])}, rows of a table ${show(table.shape)}`,
    });
  }
  const segments: RowSegment[] = [];
  let next = 0;
  // A row that is given twice: the last one counts.
  const places = new Map(indices.map((index, row) => [index, row]));
  for (const [index, row] of [...places].sort(([one], [other]) => one - other)) {
    if (index > next) segments.push([next, index - next]);
    segments.push([vocab + row, 1]);
    next = index + 1;
  }
  if (next < vocab) segments.push([next, vocab - next]);
  const same = table.dtype === rows.dtype;
  return permuteRows(concat(same ? [table, rows] : [float32(table), float32(rows)]), segments);
}

/** The tensor that takes another one's place. */
export function replaced(base: Tensor, tensor: Tensor, where: string): Tensor {
  if (!sameShape(base.shape, tensor.shape)) {
    throw fail('VC1308', {
      where,
      found: show(tensor.shape),
      expected: show(base.shape),
      ...(tensor.shape.length === 2
        ? { hint: 'a vocabulary that grew in training: save the base with it, resized, and its config' }
        : {}),
    });
  }
  return tensor;
}

/** Scales rows or columns to the lengths that DoRA learned: m / ‖row‖ each. */
function withMagnitude(merged: Tensor, axis: ScaledAxis, { magnitude, where }: UpdateOptions): Tensor {
  if (magnitude === undefined) return merged;
  const [rows = 0, columns = 0] = merged.shape;
  const count = axis === 'rows' ? rows : columns;
  if (elementCount(magnitude.shape) !== count) {
    throw fail('VC1308', { where, found: `magnitude ${show(magnitude.shape)}`, expected: `[${count}]` });
  }
  const lengths = float32(reshape(magnitude, [count]));
  const source = computedSource(`${where}: DoRA factors`, count * 4, async () => {
    const squares = await squaredLengths(merged, axis);
    const wanted = viewAs(Float32Array, await lengths.read(0, count * 4));
    return bytesOf(
      Float32Array.from(wanted, (length, index) => length / Math.fround(Math.sqrt(squares[index] ?? 0))),
    );
  });
  return scaleAxis(
    merged,
    sourceTensor({ dtype: 'float32', shape: [count] }, source, 0, `${where}: DoRA factors`),
    axis,
  );
}

/** How much of a matrix is looked at at once. */
const chunkBytes = 16 << 20;

/** Of each row or column of a float32 matrix, part after part. */
async function squaredLengths(matrix: Tensor, axis: ScaledAxis): Promise<Float64Array> {
  const [rows = 0, columns = 0] = matrix.shape;
  const sums = new Float64Array(axis === 'rows' ? rows : columns);
  const step = Math.max(1, Math.floor(chunkBytes / Math.max(1, columns * 4)));
  for (let begin = 0; begin < rows; begin += step) {
    const end = Math.min(begin + step, rows);
    const values = viewAs(Float32Array, await matrix.read(begin * columns * 4, end * columns * 4));
    for (let row = begin; row < end; row++) {
      const offset = (row - begin) * columns;
      for (let column = 0; column < columns; column++) {
        const value = values[offset + column] as number;
        const index = axis === 'rows' ? row : column;
        sums[index] = (sums[index] as number) + value * value;
      }
    }
  }
  return sums;
}

function float32(tensor: Tensor): Tensor {
  if (!isFloat(tensor.dtype)) throw fail('VC1223', { found: tensor.dtype, expected: 'a float type' });
  return cast(tensor, 'float32');
}

/** The first axis against all others. */
function asMatrix(tensor: Tensor): Tensor {
  const [rows = 1] = tensor.shape;
  return reshape(tensor, [rows, rows === 0 ? 0 : elementCount(tensor.shape) / rows]);
}

function scalar(value: number): Tensor {
  return inlineTensor('float32', [1], bytesOf(Float32Array.of(value)));
}
