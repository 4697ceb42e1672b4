/**
 * A linear weight with low-rank adapters folded in: base [out, in] + sum of scale · B [out, r] · A [r, in],
 * computed in float32 (kernels/low-rank.ts). Adapters are added in the order given.
 */
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { lowRankUpdate as update } from '../../kernels/low-rank.ts';
import { elementCount } from '../dtype.ts';
import { derivedTensor, readAll, type Tensor } from '../tensor.ts';
import { derive, expectFloat32, matrixShape, type Reading } from './derive.ts';

/** All float32. */
export interface LowRank {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  /** One element. */
  readonly scale: Tensor;
}

const floatBytes = 4;

/** float32 [out, in]. */
export function lowRankUpdate(base: Tensor, updates: readonly LowRank[]): Tensor {
  if (updates.length === 0) return base;
  expectFloat32(base, 'the base of a low-rank update');
  const [rows, columns] = matrixShape(base, 'the base of a low-rank update');
  const readings: Reading[] = [{ tensor: base, perRow: columns * floatBytes }];
  for (const { a, b, scale } of updates) {
    for (const tensor of [a, b, scale]) expectFloat32(tensor, 'a low-rank factor');
    const [rank, inSize] = matrixShape(a, 'A of a low-rank update');
    const [outSize, rankB] = matrixShape(b, 'B of a low-rank update');
    if (inSize !== columns || outSize !== rows || rankB !== rank || elementCount(scale.shape) !== 1) {
      throw new RangeError(
        `a [${base.shape}] weight takes no update of A [${a.shape}], B [${b.shape}], scale [${scale.shape}]`,
      );
    }
    readings.push(
      { tensor: a, perCall: a.byteLength },
      { tensor: b, perRow: rank * floatBytes },
      { tensor: scale, perCall: floatBytes },
    );
  }

  const computeRows = async (begin: number, end: number): Promise<readonly Uint8Array[]> => {
    const floats = async (tensor: Tensor): Promise<Float32Array> => {
      const rowBytes = tensor.byteLength / rows;
      return viewAs(Float32Array, await tensor.read(begin * rowBytes, end * rowBytes));
    };
    const factors = [];
    for (const { a, b, scale } of updates) {
      factors.push({
        a: viewAs(Float32Array, await readAll(a)),
        b: await floats(b),
        rank: a.shape[0] ?? 0,
        scale: viewAs(Float32Array, await readAll(scale))[0] ?? 0,
      });
    }
    return [bytesOf(update(await floats(base), columns, factors))];
  };

  return derivedTensor(
    derive({
      op: 'low-rank-update',
      params: {},
      readings,
      outputs: [{ dtype: 'float32', shape: [rows, columns] }],
      rows,
      computeRows,
    }),
  );
}

/** Inputs: the base, then A, B and scale of each update. */
export function rebuildLowRankUpdate([base, ...factors]: readonly Tensor[]): readonly Tensor[] {
  const updates: LowRank[] = [];
  for (let i = 0; i < factors.length; i += 3) {
    const [a, b, scale] = factors.slice(i, i + 3);
    if (a === undefined || b === undefined || scale === undefined) {
      throw new RangeError('low-rank-update: wrong recipe');
    }
    updates.push({ a, b, scale });
  }
  if (base === undefined) throw new RangeError('low-rank-update: wrong recipe');
  return [lowRankUpdate(base, updates)];
}
