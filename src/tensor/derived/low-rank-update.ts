/**
 * A linear weight with low-rank adapters folded in: base [out, in] + sum of scale · B [out, r] · A [r, in],
 * computed in float32 (kernels/low-rank.ts). Adapters are added in the order given.
 */
import { fail } from '../../report/diagnostics.ts';
import { elementCount } from '../dtype.ts';
import { findNonFinite } from '../non-finite.ts';
import { derivedTensor, type Need, type Tensor } from '../tensor.ts';
import { type Region, type Window, wholeRows } from '../window.ts';
import { derivationOf, expectFloat32, matrixShape, onlyInput, regionAt } from './derive.ts';
import { leafNames } from './leaves.ts';
import { transpose2d } from './transpose.ts';

/** All float32. */
export interface LowRank {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  /** One element. */
  readonly scale: Tensor;
}

/** A weight and what is added to it. */
export interface LowRankParts {
  /** [out, in] */
  readonly base: Tensor;
  readonly updates: readonly LowRank[];
}

/** What a `lowRankUpdate` was made of; undefined where the tensor is none. Looks through `transpose2d` of one. */
export function lowRankParts(tensor: Tensor): LowRankParts | undefined {
  const derivation = derivationOf(tensor, 'low-rank-update');
  if (derivation !== undefined) return partsOf(derivation.inputs);
  const turned = derivationOf(tensor, 'transpose');
  const parts = turned === undefined ? undefined : lowRankParts(onlyInput(turned));
  return (
    parts && {
      base: transpose2d(parts.base),
      updates: parts.updates.map(({ a, b, scale }) => ({ a: transpose2d(b), b: transpose2d(a), scale })),
    }
  );
}

/**
 * float32 [out, in]; updates of an updated weight join its own. Computing it throws VC1311 where the result is not
 * finite, unless such weights are kept.
 */
export function lowRankUpdate(base: Tensor, updates: readonly LowRank[]): Tensor {
  if (updates.length === 0) return base;
  const inner = derivationOf(base, 'low-rank-update');
  if (inner !== undefined) {
    const parts = partsOf(inner.inputs);
    return lowRankUpdate(parts.base, [...parts.updates, ...updates]);
  }
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
    compute: (window, inputs, outputs, { workspace, nonFinite }) => {
      const { kernels } = workspace;
      const [from, sum] = [regionAt(inputs, 0), regionAt(outputs, 0)];
      const runs = runsOf(window, sum);
      for (const { pointer, byteLength } of runs) workspace.bytes(pointer, byteLength).fill(0);
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
      if (nonFinite === 'keep') return;
      for (const { pointer, byteLength, row } of runs) {
        const found = findNonFinite('float32', pointer, byteLength, workspace);
        if (found < 0) continue;
        const [down, column] = [Math.floor(found / window.columns), found % window.columns];
        throw fail('VC1311', {
          where: leafNames(base).join(', '),
          found: `row ${window.row + row + down}, column ${window.column + column}`,
        });
      }
    },
  });
}

/** The bytes of a window: one run where its rows follow each other, else one per row. */
function runsOf(
  { rows, columns }: Window,
  { pointer, stride }: Region,
): readonly { readonly pointer: number; readonly byteLength: number; readonly row: number }[] {
  const rowBytes = columns * 4;
  if (stride === rowBytes) return [{ pointer, byteLength: rows * rowBytes, row: 0 }];
  return Array.from({ length: rows }, (_, row) => ({
    pointer: pointer + row * stride,
    byteLength: rowBytes,
    row,
  }));
}

/** Inputs: the base, then A, B and scale of each update. */
function partsOf([base, ...factors]: readonly Tensor[]): LowRankParts {
  const updates: LowRank[] = [];
  for (let i = 0; i < factors.length; i += 3) {
    const [a, b, scale] = factors.slice(i, i + 3);
    if (a === undefined || b === undefined || scale === undefined) {
      throw new RangeError('low-rank-update: wrong recipe');
    }
    updates.push({ a, b, scale });
  }
  if (base === undefined) throw new RangeError('low-rank-update: wrong recipe');
  return { base, updates };
}

export function rebuildLowRankUpdate(inputs: readonly Tensor[]): readonly Tensor[] {
  const { base, updates } = partsOf(inputs);
  return [lowRankUpdate(base, updates)];
}
