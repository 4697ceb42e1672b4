/**
 * How VILA cuts a picture into square tiles, as pure arithmetic: at scales of so many tiles per side, and at a last one
 * whose shape is nearest to the picture's. Source of the rule: dynamic_preprocess and dynamic_s2_preprocess of
 * mm_utils.py, whose ties are part of it.
 */

import type { Grid } from '../blocks/resize.ts';
import type { PictureLayout, Size, View } from '../media.ts';
import type { TileFeed, TileRule } from '../recipe.ts';

/** Rows and columns of tiles at each scale: those of a picture that has its prompt to itself. */
export function tileGrids(picture: Size, rule: TileRule): readonly Grid[] {
  return [...rule.squares.map((side) => ({ rows: side, columns: side })), nearestGrid(picture, rule)];
}

/** One tile at each scale: how a picture is seen that shares its prompt with others. */
export function singleTile({ squares }: TileRule): readonly Grid[] {
  return [...squares, 1].map(() => ({ rows: 1, columns: 1 }));
}

/**
 * Of `least` to `most` tiles, in the order of their number: the first whose ratio of sides is nearest, or one as near
 * that the picture fills at least half. (Where only one number of tiles is allowed, grids of other shapes may be as near;
 * the original then takes them in the order of its hashes.)
 */
function nearestGrid({ width, height }: Size, { side, least, most }: TileRule): Grid {
  const wanted = width / height;
  let best: Grid = { rows: 1, columns: 1 };
  let smallest = Number.POSITIVE_INFINITY;
  for (let count = least; count <= most; count += 1) {
    for (let columns = 1; columns <= count; columns += 1) {
      if (count % columns !== 0) continue;
      const rows = count / columns;
      const error = Math.abs(wanted - columns / rows);
      const fills = width * height > 0.5 * side * side * count;
      if (error < smallest || (error === smallest && fills)) {
        best = { rows, columns };
        smallest = error;
      }
    }
  }
  return best;
}

/** Whether the whole picture follows its tiles, resized to one. */
export function hasThumbnail({ joined }: TileRule, grids: readonly Grid[]): boolean {
  return !joined && tileCount(grids) > 1;
}

export function tileCount(grids: readonly Grid[]): number {
  return grids.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
}

/** What the features of a picture are that is cut so. */
export function tiledLayout(grids: readonly Grid[], feed: TileFeed): PictureLayout {
  const { side, tokens, output, joined } = feed;
  const last = grids.at(-1);
  const shown = grids[output];
  if (last === undefined || shown === undefined) throw new RangeError('a picture without scales');
  const input = { width: last.columns * side, height: last.rows * side };
  if (joined) {
    // Tokens of all tiles lie over the whole picture.
    const tokenGrid = { rows: shown.rows * tokens, columns: shown.columns * tokens, leading: 0 };
    const count = tokenGrid.rows * tokenGrid.columns;
    const tiles = grids.flatMap((grid, scale) => tilesOf(grid).map((tile) => ({ ...tile, scale })));
    return { input, views: [{ kind: 'global' }], tiles, tokensPerView: count, tokenGrid, tokens: count };
  }
  const tiles = tilesOf(last);
  const views: readonly View[] = tiles.length > 1 ? [...tiles, { kind: 'global' }] : [{ kind: 'global' }];
  return {
    input,
    views,
    tokensPerView: tokens * tokens,
    tokenGrid: { rows: tokens, columns: tokens, leading: 0 },
    tokens: views.length * tokens * tokens,
  };
}

/** Row by row. */
function tilesOf({ rows, columns }: Grid): readonly View[] {
  return Array.from(
    { length: rows * columns },
    (_, index): View => ({
      kind: 'tile',
      row: Math.floor(index / columns),
      column: index % columns,
    }),
  );
}
