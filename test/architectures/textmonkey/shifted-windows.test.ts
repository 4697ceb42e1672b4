/** Masks and bias rows of shifted windows against what the original does: number regions of a padded map, and cut it. */
import { describe, expect, it } from 'vitest';
import {
  bandsOf,
  biasIndices,
  biasRows,
  paddedGrid,
  regionMask,
} from '../../../src/architectures/textmonkey/shifted-windows.ts';

const side = 12;

/** Region numbers of a padded axis, as slices from its end give them. */
function regions(length: number): number[] {
  const numbers = new Array<number>(length).fill(0);
  numbers.fill(1, length - side, length - side / 2);
  return numbers.fill(2, length - side / 2);
}

describe.each([
  { rows: 32, columns: 32 },
  { rows: 64, columns: 96 },
  { rows: 96, columns: 32 },
])('a map of $rows x $columns patches', (grid) => {
  const padded = paddedGrid(grid);

  it('is padded to whole windows', () => {
    expect(padded.rows % side).toBe(0);
    expect(padded.columns % side).toBe(0);
    expect(padded.rows - grid.rows).toBeLessThan(side);
    expect(padded.columns - grid.columns).toBeLessThan(side);
  });

  it('has the masks of its windows by band', () => {
    const [down, across] = [regions(padded.rows), regions(padded.columns)];
    for (const row of bandsOf(padded.rows / side)) {
      for (const column of bandsOf(padded.columns / side)) {
        const mask = regionMask({ row: row.last, column: column.last });
        for (let y = row.begin; y < row.end; y += 1) {
          for (let x = column.begin; x < column.end; x += 1) {
            const own = Array.from({ length: side * side }, (_, at) => {
              const [r = 0] = [down[y * side + Math.floor(at / side)]];
              return 3 * r + (across[x * side + (at % side)] ?? 0);
            });
            const wanted = own.flatMap((query) => own.map((key) => (key === query ? 0 : -100)));
            expect([...mask]).toEqual(wanted);
          }
        }
      }
    }
  });

  it('has every window in one band of rows and one of columns', () => {
    for (const windows of [padded.rows / side, padded.columns / side]) {
      const held = bandsOf(windows).flatMap(({ begin, end }) =>
        Array.from({ length: end - begin }, (_, at) => begin + at),
      );
      expect(held).toEqual(Array.from({ length: windows }, (_, at) => at));
    }
  });
});

it('takes the row of the bias by how far the query lies from the key', () => {
  const rows = biasIndices();
  expect(rows).toHaveLength(side ** 4);
  expect(new Set(rows).size).toBe(biasRows);
  const at = (query: readonly [number, number], key: readonly [number, number]) =>
    rows[(query[0] * side + query[1]) * side * side + key[0] * side + key[1]];
  expect(at([0, 0], [0, 0])).toBe(11 * 23 + 11);
  expect(at([11, 11], [0, 0])).toBe(22 * 23 + 22);
  expect(at([0, 0], [11, 11])).toBe(0);
  expect(at([3, 1], [1, 7])).toBe(13 * 23 + 5);
});
