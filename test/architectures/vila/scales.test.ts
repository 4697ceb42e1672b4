/** Maps resized by areas, and tiles of several scales joined, against sums done cell by cell. */
import { describe, expect, it } from 'vitest';
import { areaResize } from '../../../src/architectures/vila/area-resize.ts';
import { scaledFeatures } from '../../../src/architectures/vila/scales.ts';
import { float32Value, int64Value, toFloat32 } from '../../../src/runtime/values.ts';
import { runGraph } from '../../support/run-graph.ts';
import { floats } from '../../support/write-adapter.ts';

type Map2 = readonly (readonly (readonly number[])[])[];

/** Each cell the mean of those that it touches, in doubles. */
function areaMean(map: Map2, rows: number, columns: number): Map2 {
  const bounds = (index: number, to: number, from: number): readonly [number, number] => [
    Math.floor((index * from) / to),
    Math.ceil(((index + 1) * from) / to),
  ];
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => {
      const [top, bottom] = bounds(row, rows, map.length);
      const [left, right] = bounds(column, columns, map[0]?.length ?? 0);
      const cells = map.slice(top, bottom).flatMap((line) => line.slice(left, right));
      return (cells[0] ?? []).map(
        (_value, k) => cells.reduce((sum, cell) => sum + (cell[k] ?? 0), 0) / cells.length,
      );
    }),
  );
}

function asMap(data: Float32Array, rows: number, columns: number, width: number): Map2 {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => [
      ...data.subarray((row * columns + column) * width, (row * columns + column + 1) * width),
    ]),
  );
}

function worst(found: ArrayLike<number>, wanted: readonly number[]): number {
  expect(found.length).toBe(wanted.length);
  return Math.max(...wanted.map((value, at) => Math.abs(value - (found[at] ?? Number.NaN))));
}

describe.each([
  { from: [6, 6], to: [3, 3] },
  { from: [4, 10], to: [6, 4] },
  { from: [3, 5], to: [7, 5] },
  { from: [9, 12], to: [4, 7] },
] as const)('a map of $from', ({ from: [rows, columns], to: [toRows, toColumns] }) => {
  const { data } = floats([rows * columns * 2], 7);
  const wanted = areaMean(asMap(data, rows, columns, 2), toRows, toColumns).flat(2);

  it(`becomes one of ${toRows}x${toColumns}`, async () => {
    const x = float32Value([1, rows, columns, 2], data);
    const { y } = await runGraph({ x }, (b, inputs) => {
      if (inputs.x === undefined) throw new Error('no x');
      const shape = {
        batch: -1,
        width: 2,
        from: { rows, columns },
        to: { rows: toRows, columns: toColumns },
      };
      return { y: areaResize(b, inputs.x, shape) };
    });
    expect(worst(toFloat32(y), wanted)).toBeLessThan(1e-6);
  });

  it('becomes it where its sizes are numbers of the run', async () => {
    const size = (value: number) => int64Value([1], [value]);
    const { y } = await runGraph(
      {
        x: float32Value([1, rows, columns, 2], data),
        rows: size(rows),
        columns: size(columns),
        toRows: size(toRows),
        toColumns: size(toColumns),
      },
      (b, inputs) => {
        const { x, rows: r, columns: c, toRows: tr, toColumns: tc } = inputs;
        if (!x || !r || !c || !tr || !tc) throw new Error('an input is missing');
        const shape = { batch: 1, width: 2, from: { rows: r, columns: c }, to: { rows: tr, columns: tc } };
        return { y: areaResize(b, x, shape) };
      },
    );
    expect(worst(toFloat32(y), wanted)).toBeLessThan(1e-6);
  });
});

describe.each([0, 1, 2, 3])('tiles of four scales, brought to scale %d', (output) => {
  const grids = [
    { rows: 1, columns: 1 },
    { rows: 2, columns: 2 },
    { rows: 3, columns: 3 },
    { rows: 2, columns: 3 },
  ];
  const tile = { rows: 2, columns: 2 };
  const width = 3;
  const tiles = grids.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const { data } = floats([tiles * 4 * width], 11);

  /** The map of each scale, of tiles side by side. */
  const maps = grids.map(({ rows, columns }, scale): Map2 => {
    const first = grids.slice(0, scale).reduce((sum, grid) => sum + grid.rows * grid.columns, 0);
    return Array.from({ length: 2 * rows }, (_, y) =>
      Array.from({ length: 2 * columns }, (__, x) => {
        const own = first + Math.floor(y / 2) * columns + Math.floor(x / 2);
        const at = (own * 4 + (y % 2) * 2 + (x % 2)) * width;
        return [...data.subarray(at, at + width)];
      }),
    );
  });
  const to = grids[output] ?? tile;
  const joined = maps
    .map((map) => areaMean(map, 2 * to.rows, 2 * to.columns))
    .reduce((all, map) => all.map((line, y) => line.map((cell, x) => [...cell, ...(map[y]?.[x] ?? [])])));
  // The "projector" of the test makes one token of a tile: the mean of its cells.
  const wanted = areaMean(joined, to.rows, to.columns).flat(2);

  it.each(['known', 'open'] as const)('with grids that are %s', async (form) => {
    const inputs = {
      x: float32Value([tiles, 4, width], data),
      ...(form === 'known'
        ? {}
        : Object.fromEntries(
            grids.flatMap(({ rows, columns }, scale) => [
              [`rows${scale}`, int64Value([1], [rows])],
              [`columns${scale}`, int64Value([1], [columns])],
            ]),
          )),
    };
    const { y } = await runGraph(inputs, (b, values) => {
      const { x } = values;
      if (x === undefined) throw new Error('no x');
      const side = (name: string, scale: number, known: number) => values[`${name}${scale}`] ?? known;
      const shape = {
        grids: grids.map(({ rows, columns }, scale) => ({
          rows: side('rows', scale, rows),
          columns: side('columns', scale, columns),
        })),
        output,
        patches: tile,
        tokens: { rows: 1, columns: 1 },
        width,
        hidden: width * grids.length,
      };
      const mean = { attributes: { keepdims: 1 } };
      return { y: scaledFeatures(b, x, shape, (part) => b.op('ReduceMean', [part, b.int64([1])], mean)) };
    });
    expect(y.shape).toEqual([1, to.rows * to.columns, width * grids.length]);
    expect(worst(toFloat32(y), wanted)).toBeLessThan(1e-6);
  });
});
