/** The views of recorded pictures, against those that the release's processor made of them. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { slicePicture } from '../../src/architectures/minicpm-v/slicing.ts';
import type { SliceRule } from '../../src/architectures/recipe.ts';
import { decodePicture } from '../../src/parity/inputs/decode-picture.ts';
import { slicedPicture } from '../../src/parity/inputs/sliced-picture.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

interface Preprocessing {
  readonly max_slice_nums: number;
  readonly scale_resolution: number;
  readonly patch_size: number;
  readonly pictures: readonly {
    readonly file: string;
    readonly views: number;
    readonly first_view: number;
  }[];
}

const normal = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const cases = goldenCases(['minicpm-v-2.5']);

it.each(cases)('$name: every pixel', async (golden) => {
  const { preprocessing } = golden.json as unknown as { preprocessing: Preprocessing };
  const io = await readIo(join(golden.folder, 'io.safetensors'));
  const recorded = io.get('in.pixel_values');
  const [, , , columns = 0] = recorded.shape;
  const rule: SliceRule = {
    patch: preprocessing.patch_size,
    maxSlices: preprocessing.max_slice_nums,
    scale: preprocessing.scale_resolution,
  };
  let compared = 0;
  for (const { file, views, first_view } of preprocessing.pictures) {
    const picture = await decodePicture(join(golden.folder, file));
    const { pixels, sizes } = slicedPicture(picture, slicePicture(picture, rule), rule.patch, normal);
    expect(pixels.shape[0]).toBe(views);
    expect(Array.from(sizes.data, Number)).toEqual(
      io.ints('in.tgt_sizes').slice(first_view * 2, (first_view + views) * 2),
    );
    // A picture's own longest view may be shorter than the prompt's.
    const own = pixels.shape[3] ?? 0;
    const found = toFloat32(pixels);
    const all = toFloat32(recorded);
    for (let row = 0; row < views * 3 * rule.patch; row += 1) {
      const from = (first_view * 3 * rule.patch + row) * columns;
      expect(found.subarray(row * own, (row + 1) * own)).toEqual(all.subarray(from, from + own));
      expect(all.subarray(from + own, from + columns).every((value) => value === 0)).toBe(true);
      compared += own;
    }
  }
  expect(compared).toBeGreaterThan(0);
});

it('cuts slices row by row, and lays their patches down so', () => {
  // Every pixel says where it is: nothing is resized, so that it can be found again.
  const [width, height, patch] = [12, 8, 2];
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.floor(i / 3));
  const slicing = {
    source: { width, height },
    slices: { grid: { rows: 2, columns: 3 }, size: { width: 4, height: 4 } },
  };
  const plain = { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] };
  const { pixels, sizes } = slicedPicture({ width, height, rgb }, slicing, patch, plain);
  expect(Array.from(sizes.data, Number)).toEqual([4, 6, ...Array.from({ length: 12 }, () => 2)]);
  expect(pixels.shape).toEqual([7, 3, 2, 48]);
  const places = Array.from(toFloat32(pixels), Math.round);
  const at = (x: number, y: number): number => y * width + x;
  const lineOf = (view: number, row: number): number[] => {
    const from = (view * 3 * patch + row) * 48;
    return places.slice(from, from + 8);
  };
  for (const view of [1, 2, 3, 4, 5, 6]) {
    const [left, top] = [((view - 1) % 3) * 4, Math.floor((view - 1) / 3) * 4];
    for (const row of [0, 1]) {
      // Two rows of two patches, side by side.
      const across = (y: number): number[] => [0, 1, 2, 3].map((x) => at(left + x, top + y));
      expect(lineOf(view, row)).toEqual([...across(row), ...across(row + 2)]);
    }
  }
});
