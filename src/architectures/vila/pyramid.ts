/**
 * A square picture at several scales (`s2`): the graph resizes it to each as torch's bicubic does, cuts what is larger than
 * the tower's square, and joins the features of all scales on channels; the projector runs over the whole map.
 *
 *   pixels f32 [N, 3, largest, largest] → f32 [N, cells, scales · width]
 *
 * Source of the math: s2wrapper's forward, and VisionTowerS2 of VILA.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { type Grid, resamplePicture } from '../blocks/resize.ts';
import type { Pyramid } from './scale-sizes.ts';
import { joinScales } from './scales.ts';

/** Cells of the joined map. */
export function pyramidGrid({ splits, output }: Pyramid, patches: Grid): Grid {
  const tiles = splits[output] ?? 1;
  return { rows: tiles * patches.rows, columns: tiles * patches.columns };
}

/** `tower`: [tiles, 3, tile, tile] → [tiles, patches, width]. */
export function pyramidFeatures(
  b: GraphBuilder,
  pixels: Value,
  pyramid: Pyramid,
  { patches, width }: { readonly patches: Grid; readonly width: number },
  tower: (tiles: Value) => Value,
): Value {
  const { splits, output } = pyramid;
  const x = tower(b.scope('scales', () => tilesOf(b, pixels, pyramid)));
  return b.scope('scales', () => {
    const grids = splits.map((tiles) => ({ rows: tiles, columns: tiles }));
    const map = joinScales(b, x, { grids, output, patches, width });
    const { rows, columns } = pyramidGrid(pyramid, patches);
    return b.op('Reshape', [map, b.int64([-1, rows * columns, width * splits.length])]);
  });
}

/** Scale after scale, each row by row: [N · tiles, 3, tile, tile]. All of them go through the tower at once. */
function tilesOf(b: GraphBuilder, pixels: Value, { sizes, splits, tile }: Pyramid): Value {
  const largest = sizes.at(-1) ?? tile;
  const square = (side: number): Grid => ({ rows: side, columns: side });
  const scales = sizes.map((size, scale) => {
    const count = splits[scale] ?? 1;
    const picture = size === largest ? pixels : resamplePicture(b, pixels, square(largest), square(size));
    const cut = b.op('Reshape', [picture, b.int64([-1, 3, count, tile, count, tile])]);
    const ordered = b.op('Transpose', [cut], { attributes: { perm: [0, 2, 4, 1, 3, 5] } });
    return b.op('Reshape', [ordered, b.int64([-1, count * count, 3, tile, tile])]);
  });
  const [only = pixels, ...more] = scales;
  const all = more.length === 0 ? only : b.op('Concat', scales, { attributes: { axis: 1 } });
  return b.op('Reshape', [all, b.int64([-1, 3, tile, tile])]);
}
