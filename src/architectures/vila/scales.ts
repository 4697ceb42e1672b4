/**
 * Features of a picture that is seen at several scales, each as tiles (`dynamic_s2`): the tiles of a scale become one map,
 * maps are resized to that of one scale and joined on channels, the projector runs over tiles of that, and its tokens lie
 * over the whole picture, row by row.
 *
 *   x f32 [N · tiles, patches, width] → f32 [N, tokens, hidden]
 *
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
  /** Patches of a tile, and tokens that the projector makes of them. */
  readonly patches: Grid;
  readonly tokens: Grid;
  readonly width: number;
  readonly hidden: number;
}

/** `project`: [tiles, patches, scales · width] → [tiles, tokens, hidden]. */
export function scaledFeatures(
  b: GraphBuilder,
  x: Value,
  shape: ScaledShape,
  project: (tiles: Value) => Value,
): Value {
  const { grids, output, patches, tokens, width, hidden } = shape;
  const shown = grids[output];
  if (shown === undefined) throw new RangeError(`no scale ${output} of ${grids.length}`);
  const counts = grids.map(({ rows, columns }) => times(b, rows, columns));
  const known = counts.every((count) => typeof count === 'number');
  const batch = known ? -1 : 1;
  const all = counts.reduce((sum, count) => plus(b, sum, count), 0);
  const length = patches.rows * patches.columns;
  const tiles = reshapeTo(b, x, [batch, all, length, width]);

  const to = cellsOf(b, shown, patches);
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

  const joined = maps.length === 1 ? maps : [b.op('Concat', maps, { attributes: { axis: -1 } })];
  const [map = x] = joined;
  const channels = width * grids.length;
  const { rows, columns } = shown;
  const cut = reshapeTo(b, map, [batch, rows, patches.rows, columns, patches.columns, channels]);
  const ordered = b.op('Transpose', [cut], { attributes: { perm: [0, 1, 3, 2, 4, 5] } });
  const projected = project(b.op('Reshape', [ordered, b.int64([-1, length, channels])]));
  const laid = layOut(b, projected, { batch, grid: shown, tile: tokens, width: hidden });
  return b.op('Reshape', [laid, b.int64([known ? 0 : 1, -1, hidden])]);
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
