/**
 * A picture as the views that a graph over slices takes: resized whole, and, where it is large, resized once to a grid of
 * slices and cut. A view's patches lie side by side, row by row: [3, patch, patch · patches], with 0 behind them up to the
 * longest view of the picture.
 */

import { patchGrid } from '../../architectures/minicpm-v/slicing.ts';
import type { Slicing } from '../../architectures/recipe.ts';
import { pillowResize } from '../../kernels/pillow-resize.ts';
import { float32Value, int64Value, type RunTensor } from '../../runtime/values.ts';
import { cutPicture } from './cut-picture.ts';
import { normalise, type Picture } from './picture.ts';

export interface SlicedPicture {
  /** float32 [views, 3, patch, patch · L] */
  readonly pixels: RunTensor;
  /** int64 [views, 2]: rows and columns of each view, in patches */
  readonly sizes: RunTensor;
}

/** The source view first, then the slices row by row. Mean and standard deviation per channel. */
export function slicedPicture(
  picture: Picture,
  slicing: Slicing,
  patch: number,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): SlicedPicture {
  const views = viewsOf(picture, slicing);
  const grids = views.map((view) => patchGrid(view, patch));
  const most = Math.max(...grids.map(({ rows, columns }) => rows * columns));
  const each = 3 * patch * patch * most;
  const data = new Float32Array(views.length * each);
  for (const [index, view] of views.entries()) {
    layPatches(normalise(view, mean, std), view, patch, data.subarray(index * each, (index + 1) * each));
  }
  return {
    pixels: float32Value([views.length, 3, patch, patch * most], data),
    sizes: int64Value(
      [views.length, 2],
      grids.flatMap(({ rows, columns }) => [rows, columns]),
    ),
  };
}

function viewsOf(picture: Picture, { source, slices }: Slicing): readonly Picture[] {
  const whole = { ...source, rgb: pillowResize(picture.rgb, picture, source, 'bicubic') };
  if (slices === undefined) return [whole];
  const { grid, size } = slices;
  const refined = { width: size.width * grid.columns, height: size.height * grid.rows };
  const rgb = pillowResize(picture.rgb, picture, refined, 'bicubic');
  return [whole, ...cutPicture({ ...refined, rgb }, grid, size)];
}

/** From planes [3, height, width] to patches side by side, [3, patch, columns of `out`]. */
function layPatches(
  planes: Float32Array,
  { width, height }: Picture,
  patch: number,
  out: Float32Array,
): void {
  const across = width / patch;
  const columns = out.length / (3 * patch);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let y = 0; y < height; y += 1) {
      const line = (channel * patch + (y % patch)) * columns + Math.floor(y / patch) * across * patch;
      const from = (channel * height + y) * width;
      // The patches of one row of patches lie as in the picture.
      out.set(planes.subarray(from, from + width), line);
    }
  }
}
