/**
 * Recorded tiles of pictures: `pixel_values` [tiles, 3, side, side], and of pictures whose tiles are joined `block_sizes`
 * [pictures, 2], rows and columns of each one's last scale. Without it every tile is a picture, as where several share a
 * prompt. A graph that is compiled for its tiles knows how many a picture has.
 */
import type { EncoderRecipe, TileFeed } from '../../architectures/recipe.ts';
import { singleTile, tileCount, tiledLayout } from '../../architectures/vila/tiles.ts';
import { fail } from '../../report/diagnostics.ts';
import { float32Value, type RunTensor } from '../../runtime/values.ts';
import { floats, integers, sha256 } from './recorded-values.ts';
import type { SampleMedia } from './sample.ts';
import { tileFeeds } from './tiled-picture.ts';

type Grids = ReturnType<typeof singleTile>;

/** Throws VC6109 for what the graph does not take. */
export function recordedTiles(
  pixels: RunTensor,
  sizes: RunTensor | undefined,
  { vision, feed, name }: { readonly vision: EncoderRecipe; readonly feed: TileFeed; readonly name: string },
): readonly SampleMedia[] {
  const { side } = feed;
  const [tiles = 0, channels, height, width] = pixels.shape;
  const pictures = picturesOf(tiles, sizes, feed, `${name}: block_sizes`);
  // One tile stands for all scales.
  const taken = pictures.map((grids) => (isSingle(grids, feed) ? 1 : tileCount(grids)));
  const all = taken.reduce((sum, count) => sum + count, 0);
  const whole = pixels.shape.length === 4 && channels === 3 && height === side && width === side;
  if (!whole || all !== tiles || tiles === 0) {
    throw fail('VC6109', {
      where: `${name}: pixel_values`,
      found: `[${pixels.shape}]`,
      expected: `[${all === tiles ? 'tiles' : all},3,${side},${side}]`,
    });
  }
  const data = floats(pixels, `${name}: pixel_values`);
  const each = data.length / tiles;
  let first = 0;
  return pictures.map((grids, index): SampleMedia => {
    const count = taken[index] ?? 0;
    const own = data.slice(first * each, (first + count) * each);
    first += count;
    const copies = count === 1 ? tileCount(grids) : 1;
    const fed = new Float32Array(own.length * copies);
    for (let copy = 0; copy < copies; copy += 1) fed.set(own, copy * own.length);
    const input = float32Value([fed.length / each, 3, side, side], fed);
    return {
      kind: 'image',
      feeds: tileFeeds(vision.input, feed, input, grids),
      layout: tiledLayout(grids, feed),
      sha256: sha256(own),
      name: `${name} ${index}`,
    };
  });
}

function isSingle(grids: Grids, { known }: TileFeed): boolean {
  return known === undefined && grids.every(({ rows, columns }) => rows === 1 && columns === 1);
}

function picturesOf(
  tiles: number,
  sizes: RunTensor | undefined,
  feed: TileFeed,
  where: string,
): readonly Grids[] {
  const { known, joined, squares } = feed;
  if (known !== undefined) {
    const count = Math.max(1, Math.floor(tiles / tileCount(known)));
    return Array.from({ length: count }, () => known);
  }
  if (sizes === undefined || !joined) return Array.from({ length: tiles }, () => singleTile(feed));
  const sides = integers(sizes, where);
  const usable = sides.every((side) => Number.isSafeInteger(side) && side >= 1 && side <= tiles);
  if (sizes.shape.length !== 2 || sizes.shape[1] !== 2 || !usable) {
    throw fail('VC6109', {
      where,
      found: `[${sizes.shape}] ${sides.slice(0, 8).join(', ')}`,
      expected: '[pictures,2], rows and columns of tiles',
    });
  }
  return Array.from({ length: sides.length / 2 }, (_, index): Grids => {
    const [rows = 1, columns = 1] = sides.slice(2 * index);
    return [...squares.map((side) => ({ rows: side, columns: side })), { rows, columns }];
  });
}
