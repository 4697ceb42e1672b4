/** Sizes that Qwen2-VL's processor makes of pictures, against a table that was made with the released one. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { patchGridOf, patchRowLayout } from '../../src/architectures/patch-rows.ts';
import type { PatchRowFeed } from '../../src/architectures/recipe.ts';
import { smartResize } from '../../src/architectures/smart-resize.ts';
import { goldenFolders } from '../golden-folders.ts';

interface Limits {
  readonly min_pixels: number;
  readonly max_pixels: number;
}

interface Resized {
  readonly width?: number;
  readonly height?: number;
  readonly grid_thw?: readonly number[];
  readonly tokens?: number;
  readonly error?: string;
}

interface Table {
  readonly factor: number;
  readonly limits: Readonly<Record<string, Limits>>;
  readonly images: readonly ({ readonly width: number; readonly height: number } & Readonly<
    Record<string, Resized & { readonly differs?: boolean; readonly release?: Resized }>
  >)[];
}

const path = goldenFolders
  .map((folder) => join(folder, 'qwen2-vl/preprocessing-table.json'))
  .find((file) => existsSync(file));
if (path === undefined) throw new Error('no table of sizes');
const table = JSON.parse(readFileSync(path, 'utf8')) as Table;

describe.each(Object.entries(table.limits))('limits %s', (name, { min_pixels, max_pixels }) => {
  it('gives every size of the table the size that the release gives it', () => {
    const feed: PatchRowFeed = {
      form: 'patch-rows',
      patch: 14,
      merge: 2,
      frames: 2,
      minPixels: min_pixels,
      maxPixels: max_pixels,
    };
    const found = table.images.map((image) => {
      const { width, height } = image;
      const size = smartResize({ width, height }, { ...feed, unit: table.factor });
      if (typeof size === 'string') return { width, height, refused: true };
      const grid = patchGridOf(size, feed);
      const { tokens } = patchRowLayout(grid, feed);
      return { width, height, size, grid: [grid.frames, grid.rows, grid.columns], tokens };
    });
    const expected = table.images.map((image) => {
      const { width, height, [name]: own } = image;
      const release = own?.differs === true ? own.release : own;
      // A side of 0 pixels is no size either: the release fails when it resizes to it.
      const impossible = release?.error !== undefined || release?.tokens === 0;
      if (impossible) return { width, height, refused: true };
      const size = { width: release?.width, height: release?.height };
      return { width, height, size, grid: release?.grid_thw, tokens: release?.tokens };
    });
    expect(found).toEqual(expected);
    expect(found.some(({ refused }) => refused)).toBe(true);
  });
});
