/**
 * A linear weight with low-rank adapters folded in: base [out, in] + sum of scale · B [out, r] · A [r, in],
 * computed in float32 (kernels/low-rank.ts). Adapters are added in the order given.
 */
import { elementCount } from '../dtype.ts';
import { derivedTensor, type Need, type Tensor } from '../tensor.ts';
import { wholeRows, windowBytes } from '../window.ts';
import { expectFloat32, matrixShape, regionAt } from './derive.ts';

/** All float32. */
export interface LowRank {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  /** One element. */
  readonly scale: Tensor;
}

/** float32 [out, in]. */
export function lowRankUpdate(base: Tensor, updates: readonly LowRank[]): Tensor {
  if (updates.length === 0) return base;
  expectFloat32(base, 'the base of a low-rank update');
  const [rows, columns] = matrixShape(base, 'the base of a low-rank update');
  const ranks: number[] = [];
  for (const { a, b, scale } of updates) {
    for (const tensor of [a, b, scale]) expectFloat32(tensor, 'a low-rank factor');
    const [rank, inSize] = matrixShape(a, 'A of a low-rank update');
    const [outSize, rankB] = matrixShape(b, 'B of a low-rank update');
    if (inSize !== columns || outSize !== rows || rankB !== rank || elementCount(scale.shape) !== 1) {
      throw new RangeError(
        `a [${base.shape}] weight takes no update of A [${a.shape}], B [${b.shape}], scale [${scale.shape}]`,
      );
    }
    ranks.push(rank);
  }

  return derivedTensor({
    op: 'low-rank-update',
    params: {},
    inputs: [base, ...updates.flatMap(({ a, b, scale }) => [a, b, scale])],
    outputs: [{ dtype: 'float32', shape: [rows, columns] }],
    rows,
    needs: (window) => [
      { input: 0, window },
      ...ranks.flatMap((rank, update): Need[] => [
        { input: update * 3 + 1, window: { ...window, row: 0, rows: rank } },
        { input: update * 3 + 2, window: { ...window, column: 0, columns: rank } },
        { input: update * 3 + 3, window: wholeRows(0, 1, 1) },
      ]),
    ],
    compute: (window, inputs, outputs, { workspace }) => {
      const { kernels } = workspace;
      const [from, sum] = [regionAt(inputs, 0), regionAt(outputs, 0)];
      for (let row = 0; row < window.rows; row++) {
        workspace
          .bytes(sum.pointer + row * sum.stride, windowBytes('float32', { ...window, rows: 1 }))
          .fill(0);
      }
      for (const [update, rank] of ranks.entries()) {
        const [a, b] = [regionAt(inputs, update * 3 + 1), regionAt(inputs, update * 3 + 2)];
        const scale = new DataView(
          workspace.bytes(regionAt(inputs, update * 3 + 3).pointer, 4).slice().buffer,
        );
        kernels.low_rank_accumulate(
          sum.pointer,
          sum.stride,
          a.pointer,
          a.stride,
          b.pointer,
          b.stride,
          rank,
          scale.getFloat32(0, true),
          window.rows,
          window.columns,
        );
      }
      // The sum is added to the base once, so that small terms are not lost in it one by one.
      kernels.add_rows(
        from.pointer,
        from.stride,
        sum.pointer,
        sum.stride,
        sum.pointer,
        sum.stride,
        window.rows,
        window.columns,
      );
    },
  });
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
