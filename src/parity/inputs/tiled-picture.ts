/**
 * A picture as the square tiles that a graph takes: at each scale resized once, as Pillow does it, and cut; where tiles
 * are views of their own, the whole picture follows them.
 */
import type { Size } from '../../architectures/media.ts';
import type { TileFeed } from '../../architectures/recipe.ts';
import { hasThumbnail, tileCount, tiledLayout, tileGrids } from '../../architectures/vila/tiles.ts';
import { pillowResize } from '../../kernels/pillow-resize.ts';
import { float32Value, int64Value, type RunTensor } from '../../runtime/values.ts';
import { cutPicture } from './cut-picture.ts';
import { normalise, type Picture } from './picture.ts';
import type { VisionInputs } from './vision-inputs.ts';

type Grids = ReturnType<typeof tileGrids>;

/** Forty times what a release takes, and 1.5 GiB as numbers: a folder that says more is no model's. */
const mostPixels = 2 ** 27;

/** Why no tiles are made of a picture; undefined where they are. */
export function tilesObjection(picture: Size, feed: TileFeed): string | undefined {
  const tiles = tileCount(feed.known ?? tileGrids(picture, feed));
  return tiles * feed.side ** 2 <= mostPixels ? undefined : `${tiles} tiles of ${feed.side} pixels a side`;
}

/** Mean and standard deviation per channel. */
export function tiledPicture(
  picture: Picture,
  input: string,
  feed: TileFeed,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): VisionInputs {
  const grids = feed.known ?? tileGrids(picture, feed);
  const tiles = tilesOf(picture, grids, feed);
  const each = 3 * feed.side * feed.side;
  const data = new Float32Array(tiles.length * each);
  for (const [index, tile] of tiles.entries()) data.set(normalise(tile, mean, std), index * each);
  const pixels = float32Value([tiles.length, 3, feed.side, feed.side], data);
  return { feeds: tileFeeds(input, feed, pixels, grids), layout: tiledLayout(grids, feed) };
}

/** Tiles, and their grids where the component takes them. */
export function tileFeeds(
  input: string,
  { grids: name }: TileFeed,
  pixels: RunTensor,
  grids: Grids,
): ReadonlyMap<string, RunTensor> {
  const sides = grids.flatMap(({ rows, columns }) => [rows, columns]);
  return new Map([
    [input, pixels],
    ...(name === undefined ? [] : [[name, int64Value([grids.length, 2], sides)] as const]),
  ]);
}

function tilesOf(picture: Picture, grids: Grids, feed: TileFeed): readonly Picture[] {
  const tile = { width: feed.side, height: feed.side };
  const resized = (rows: number, columns: number): Picture => {
    const to = { width: columns * feed.side, height: rows * feed.side };
    return { ...to, rgb: pillowResize(picture.rgb, picture, to, 'bicubic') };
  };
  const tiles = grids.flatMap(({ rows, columns }) =>
    cutPicture(resized(rows, columns), { rows, columns }, tile),
  );
  return hasThumbnail(feed, grids) ? [...tiles, resized(1, 1)] : tiles;
}
