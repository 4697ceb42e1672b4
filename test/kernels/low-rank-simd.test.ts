/** Low-rank updates in WebAssembly against their twin, bit by bit. */
import { describe, expect, it } from 'vitest';
import { bytesOf, viewAs } from '../../src/kernels/bytes.ts';
import { type LowRankFactors, lowRankUpdate } from '../../src/kernels/low-rank.ts';
import { Arena, firstDifference, normal, random } from './arena.ts';

function numbers(count: number, seed: number): Float32Array {
  const uniform = random(seed);
  // Magnitudes apart, so that every rounding matters.
  return Float32Array.from({ length: count }, () => normal(uniform) * 2 ** Math.floor(uniform() * 12));
}

describe.each([1, 2, 3, 4, 5, 8, 11])('%i rows', (rows) => {
  it.each([1, 3, 7, 8, 9, 16, 29, 64])('of %i: the twin, for several updates and ranks', (columns) => {
    for (const ranks of [[1], [16], [3, 8], [0, 5]]) {
      const base = numbers(rows * columns, 1);
      const updates: LowRankFactors[] = ranks.map((rank, i) => ({
        rank,
        scale: [0.3, -1.7][i] ?? 1,
        a: numbers(rank * columns, 2 + i),
        b: numbers(rows * rank, 9 + i),
      }));
      const expected = lowRankUpdate(base, columns, updates);

      const arena = new Arena();
      const rowBytes = columns * 4;
      const sum = arena.placeRows(new Uint8Array(base.byteLength), rowBytes, 12, 4);
      for (const { a, b, rank, scale } of updates) {
        // Where the rank is 0 there is nothing to place.
        const left = arena.placeRows(bytesOf(a), rowBytes, 4, 2);
        const right = arena.placeRows(bytesOf(b), rank * 4, 8, 6);
        arena.kernels.low_rank_accumulate(
          sum.pointer,
          sum.stride,
          left.pointer,
          left.stride,
          right.pointer,
          right.stride,
          rank,
          scale,
          rows,
          columns,
        );
      }
      const into = arena.placeRows(bytesOf(base), rowBytes, 16, 4);
      arena.kernels.add_rows(
        into.pointer,
        into.stride,
        sum.pointer,
        sum.stride,
        into.pointer,
        into.stride,
        rows,
        columns,
      );
      const actual = viewAs(Float32Array, arena.readRows(into, rows, rowBytes));
      expect(firstDifference(actual, expected)).toBeUndefined();
      arena.expectGuards();
    }
  });
});
