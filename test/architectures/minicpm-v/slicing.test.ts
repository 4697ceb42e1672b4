/** Slicing against what the release's image processor made of 44 sizes under three settings. */
import { expect, it } from 'vitest';
import { patchGrid, slicePicture, viewSizes } from '../../../src/architectures/minicpm-v/slicing.ts';
import { recordedSlicings } from './tables.ts';

it('cuts as recorded', () => {
  expect(recordedSlicings.length).toBeGreaterThanOrEqual(100);
  for (const { picture, settings, recorded } of recordedSlicings) {
    const slicing = slicePicture(picture, settings);
    const { source, slices } = slicing;
    const hw = (size: { width: number; height: number }): number[] => {
      const { rows, columns } = patchGrid(size, settings.patch);
      return [rows, columns];
    };
    const found = {
      grid_columns_rows: slices === undefined ? null : [slices.grid.columns, slices.grid.rows],
      source: [source.width, source.height],
      slice: slices === undefined ? null : [slices.size.width, slices.size.height],
      views: viewSizes(slicing).length,
      source_patches_hw: hw(source),
      slice_patches_hw: slices === undefined ? null : hw(slices.size),
    };
    const { views, ...expected } = { ...recorded, feature_tokens: undefined };
    expect({ ...found, feature_tokens: undefined }, JSON.stringify({ picture, settings })).toEqual({
      views,
      ...expected,
    });
  }
});

it('takes the first of equally near grids, as the reference compares them', () => {
  // ln 2 lies as far from ln 4/3 as from ln 3: the last bit of the logarithms decides. Taken from CPython.
  const settings = { scale: 448, patch: 14 };
  const grid = (width: number, height: number, maxSlices: number) =>
    slicePicture({ width, height }, { ...settings, maxSlices }).slices?.grid;
  expect(grid(2208, 1104, 12)).toEqual({ columns: 4, rows: 3 });
  expect(grid(3348, 1116, 25)).toEqual({ columns: 9, rows: 2 });
});

it('leaves at least one patch per side of the narrowest pictures', () => {
  const { source } = slicePicture({ width: 16384, height: 1 }, { maxSlices: 9, scale: 448, patch: 14 });
  expect(source).toEqual({ width: 49154, height: 14 });
});
