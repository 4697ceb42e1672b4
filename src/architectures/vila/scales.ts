/**
 * Features of a picture that is seen at several scales, each as tiles: the tiles of a scale become one map, maps are
 * resized to that of one scale and joined on channels.
 *
 *   x f32 [N · tiles, patches, width] → map f32 [N, rows, columns, scales · width]
 *
 * In `dynamic_s2` the projector then runs over tiles of that map, and its tokens lie over the whole picture, row by row.
 * Tiles come scale after scale, each row by row. Where grids are computed by the graph, N is 1. Source of the math:
 * merge_features_for_dynamic_s2 and encode_images of llava_arch.py.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import type { Grid } from '../blocks/resize.ts';
import { areaResize, type MapShape } from './area-resize.ts';
import { type Extent, plus, reshapeTo, times, toValue } from './extent.ts';

export interface ScaledShape {
  /** Tiles of each scale. */
  readonly grids: readonly MapShape[];
  /** The scale whose size the others are brought to. */
  readonly output: number;
  /** Patches of a tile. */
  readonly patches: Grid;
  readonly width: number;
}

/** The joined map. */
export function joinScales(b: GraphBuilder, x: Value, shape: ScaledShape): Value {
  const { grids, output, patches, width } = shape;
  const counts = grids.map(({ rows, columns }) => times(b, rows, columns));
  const known = isKnown(shape);
  const batch = known ? -1 : 1;
  const all = counts.reduce((sum, count) => plus(b, sum, count), 0);
  const tiles = reshapeTo(b, x, [batch, all, patches.rows * patches.columns, width]);
  const to = cellsOf(b, shownGrid(shape), patches);
  let first: Extent = 0;
  const maps = grids.map((grid, scale) => {
    const end = plus(b, first, counts[scale] ?? 0);
    const own =
      grids.length === 1 ? tiles : b.op('Slice', [tiles, toValue(b, first), toValue(b, end), b.int64([1])]);
    first = end;
    const from = cellsOf(b, grid, patches);
    const map = layOut(b, own, { batch, grid, tile: patches, width });
    const same = scale === output || (known && from.rows === to.rows && from.columns === to.columns);
    return same ? map : areaResize(b, map, { batch, width, from, to });
  });
  const [only = x, ...more] = maps;
  return more.length === 0 ? only : b.op('Concat', maps, { attributes: { axis: -1 } });
}

export interface TokenShape {
  /** Tokens that the projector makes of a tile. */
  readonly tokens: Grid;
  readonly hidden: number;
}

/** → f32 [N, tokens, hidden]; `project`: [tiles, patches, scales · width] → [tiles, tokens, hidden]. */
export function scaledFeatures(
  b: GraphBuilder,
  x: Value,
  shape: ScaledShape & TokenShape,
  project: (tiles: Value) => Value,
): Value {
  const { grids, patches, tokens, width, hidden } = shape;
  const shown = shownGrid(shape);
  const known = isKnown(shape);
  const batch = known ? -1 : 1;
  const map = joinScales(b, x, shape);
  const channels = width * grids.length;
  const cut = reshapeTo(b, map, [batch, shown.rows, patches.rows, shown.columns, patches.columns, channels]);
  const ordered = b.op('Transpose', [cut], { attributes: { perm: [0, 1, 3, 2, 4, 5] } });
  const projected = project(
    b.op('Reshape', [ordered, b.int64([-1, patches.rows * patches.columns, channels])]),
  );
  const laid = layOut(b, projected, { batch, grid: shown, tile: tokens, width: hidden });
  return b.op('Reshape', [laid, b.int64([known ? 0 : 1, -1, hidden])]);
}

function shownGrid({ grids, output }: ScaledShape): MapShape {
  const shown = grids[output];
  if (shown === undefined) throw new RangeError(`no scale ${output} of ${grids.length}`);
  return shown;
}

/** Whether a graph is compiled for the grids. */
function isKnown({ grids }: ScaledShape): boolean {
  return grids.every(({ rows, columns }) => typeof rows === 'number' && typeof columns === 'number');
}

/** Cells of a map of so many tiles. */
function cellsOf(b: GraphBuilder, { rows, columns }: MapShape, tile: Grid): MapShape {
  return { rows: times(b, rows, tile.rows), columns: times(b, columns, tile.columns) };
}

/** Tiles [N, rows · columns, cells of a tile, width], or their rows without N, → map [N, rows, columns, width] of cells. */
function layOut(
  b: GraphBuilder,
  x: Value,
  {
    batch,
    grid,
    tile,
    width,
  }: { readonly batch: number; readonly grid: MapShape; readonly tile: Grid; readonly width: number },
): Value {
  const split = reshapeTo(b, x, [batch, grid.rows, grid.columns, tile.rows, tile.columns, width]);
  const ordered = b.op('Transpose', [split], { attributes: { perm: [0, 1, 3, 2, 4, 5] } });
  const cells = cellsOf(b, grid, tile);
  return reshapeTo(b, ordered, [batch, cells.rows, cells.columns, width]);
}
