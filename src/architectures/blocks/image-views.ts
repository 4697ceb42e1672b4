/**
 * The views of a tiled picture: square windows in row-major order, then the whole picture resized to one
 * window. pixels [N, 3, H, W] → [N · V, 3, tile, tile], V = rows · columns + 1.
 *
 * Windows cover the top left rows · columns tiles: pixels beyond them are in no window, and where the picture
 * is smaller it is padded on the right and at the bottom with 0, the mean colour of a normalised picture. The
 * global view sees exactly the picture.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { resamplePicture } from './resize.ts';

export interface ViewLayout {
  readonly width: number;
  readonly height: number;
  readonly rows: number;
  readonly columns: number;
  readonly tile: number;
}

const channels = 3;

export function imageViews(b: GraphBuilder, pixels: Value, layout: ViewLayout): Value {
  const { tile } = layout;
  const windows = pictureWindows(b, pixels, layout);
  const picture = { rows: layout.height, columns: layout.width };
  const whole = resamplePicture(b, pixels, picture, { rows: tile, columns: tile });
  const global = b.op('Unsqueeze', [whole, b.int64([1])]);
  const views = b.op('Concat', [windows, global], { attributes: { axis: 1 } });
  return b.op('Reshape', [views, b.int64([-1, channels, tile, tile])]);
}

/** The windows alone: [N · rows · columns, 3, tile, tile]. */
export function windowViews(b: GraphBuilder, pixels: Value, layout: ViewLayout): Value {
  const windows = pictureWindows(b, pixels, layout);
  return b.op('Reshape', [windows, b.int64([-1, channels, layout.tile, layout.tile])]);
}

/** [N, rows · columns, 3, tile, tile] */
function pictureWindows(b: GraphBuilder, pixels: Value, layout: ViewLayout): Value {
  const { rows, columns, tile } = layout;
  const covered = fitPicture(b, pixels, layout, { width: columns * tile, height: rows * tile });
  const cut = b.op('Reshape', [covered, b.int64([0, channels, rows, tile, columns, tile])]);
  const ordered = b.op('Transpose', [cut], { attributes: { perm: [0, 2, 4, 1, 3, 5] } });
  return b.op('Reshape', [ordered, b.int64([0, rows * columns, channels, tile, tile])]);
}

/** Cuts off what is beyond `to` and pads with 0 what is missing, on the right and at the bottom. */
export function fitPicture(
  b: GraphBuilder,
  pixels: Value,
  from: { readonly width: number; readonly height: number },
  to: { readonly width: number; readonly height: number },
): Value {
  let picture = pixels;
  if (to.height < from.height || to.width < from.width) {
    const ends = [Math.min(to.height, from.height), Math.min(to.width, from.width)];
    picture = b.op('Slice', [picture, b.int64([0, 0]), b.int64(ends), b.int64([2, 3])]);
  }
  const bottom = Math.max(0, to.height - from.height);
  const right = Math.max(0, to.width - from.width);
  if (bottom === 0 && right === 0) return picture;
  return b.op('Pad', [picture, b.int64([0, 0, 0, 0, 0, 0, bottom, right]), b.scalar(0)]);
}
