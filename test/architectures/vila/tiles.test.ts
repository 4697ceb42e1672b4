/** How pictures are cut into tiles, against what the original's own code gave for the same sizes, and what becomes of them. */
import { describe, expect, it } from 'vitest';
import type { TileFeed, TileRule } from '../../../src/architectures/recipe.ts';
import {
  hasThumbnail,
  singleTile,
  tileCount,
  tiledLayout,
  tileGrids,
} from '../../../src/architectures/vila/tiles.ts';

/** Tiles per side of the last of the scales, most tiles, side of a tile; width and height; rows and columns. */
const lastScales: readonly (readonly number[])[] = [
  [3, 16, 42, 360, 964, 5, 2],
  [3, 12, 56, 2616, 436, 2, 6],
  [3, 12, 56, 1000, 2200, 5, 2],
  [3, 16, 42, 1712, 2140, 4, 3],
  [3, 16, 42, 1310, 720, 3, 5],
  [3, 16, 42, 90, 1304, 15, 1],
  [2, 6, 70, 1337, 1146, 2, 2],
  [3, 12, 448, 88, 8, 1, 11],
  [1, 9, 56, 290, 48, 1, 6],
  [3, 12, 448, 897, 1569, 5, 2],
  [3, 12, 56, 738, 492, 3, 4],
  [3, 16, 42, 3463, 240, 1, 14],
  [3, 12, 448, 117, 3660, 12, 1],
  [3, 12, 56, 29, 169, 9, 1],
  [3, 12, 448, 636, 212, 2, 6],
  [3, 16, 42, 216, 648, 6, 2],
  [2, 6, 70, 3276, 273, 1, 6],
  [3, 16, 42, 106, 106, 3, 3],
  // More are asked for than there may be: none is chosen.
  [3, 8, 56, 100, 50, 1, 1],
];

/** Least and most tiles, side of a tile; width and height; tiles with the whole picture behind several. */
const oneScale: readonly (readonly number[])[] = [
  [1, 12, 448, 1256, 1429, 10],
  [1, 12, 448, 414, 1656, 5],
  [1, 24, 384, 184, 276, 7],
  [1, 24, 384, 2833, 1787, 16],
  [2, 4, 56, 1265, 759, 3],
  [2, 4, 56, 1162, 166, 5],
  [1, 12, 448, 189, 630, 4],
  // Grids of one shape: the larger, where the picture fills half of it.
  [1, 12, 56, 79, 79, 1],
  [1, 12, 56, 80, 80, 5],
  [1, 12, 56, 119, 119, 10],
  [1, 12, 56, 60, 30, 3],
  [1, 12, 56, 160, 80, 9],
];

it.each(lastScales)('%dx the first, to %d of %d: %dx%d', (sides = 1, most = 1, side = 1, ...rest) => {
  const [width = 0, height = 0, rows, columns] = rest;
  const squares = Array.from({ length: sides - 1 }, (_, index) => index + 1);
  const rule: TileRule = { side, squares, least: sides ** 2, most, joined: true };
  const grids = tileGrids({ width, height }, rule);
  expect(grids.at(-1)).toEqual({ rows, columns });
  expect(grids.slice(0, -1)).toEqual(squares.map((count) => ({ rows: count, columns: count })));
  expect(hasThumbnail(rule, grids)).toBe(false);
});

it.each(oneScale)('%d to %d of %d: %dx%d', (least = 1, most = 1, side = 1, ...rest) => {
  const [width = 0, height = 0, tiles] = rest;
  const rule: TileRule = { side, squares: [], least, most, joined: false };
  const grids = tileGrids({ width, height }, rule);
  expect(tileCount(grids) + (hasThumbnail(rule, grids) ? 1 : 0)).toBe(tiles);
});

describe('features', () => {
  const feed: TileFeed = {
    form: 'tiles',
    side: 56,
    squares: [1, 2],
    least: 9,
    most: 12,
    joined: true,
    output: 2,
    tokens: 2,
  };
  const grids = [1, 2].map((side) => ({ rows: side, columns: side })).concat({ rows: 2, columns: 5 });

  it('of joined tiles lie over the whole picture', () => {
    expect(tiledLayout(grids, feed)).toMatchObject({
      input: { width: 280, height: 112 },
      tokenGrid: { rows: 4, columns: 10, leading: 0 },
      tokensPerView: 40,
      tokens: 40,
    });
    expect(tiledLayout(grids, { ...feed, output: 0 }).tokens).toBe(4);
    expect(tiledLayout(grids, { ...feed, output: 1 }).tokens).toBe(16);
    expect(tiledLayout(singleTile(feed), feed).tokens).toBe(4);
  });

  it('of tiles that are views follow each other, the whole picture last', () => {
    const each: TileFeed = { ...feed, squares: [], joined: false, output: 0 };
    const layout = tiledLayout(grids.slice(-1), each);
    expect(layout.views.map(({ kind, row, column }) => [kind, row, column])).toEqual([
      ...[0, 1].flatMap((row) => [0, 1, 2, 3, 4].map((column) => ['tile', row, column])),
      ['global', undefined, undefined],
    ]);
    expect(layout).toMatchObject({ tokensPerView: 4, tokens: 44 });
    expect(tiledLayout(singleTile(each), each)).toMatchObject({ views: [{ kind: 'global' }], tokens: 4 });
  });
});
