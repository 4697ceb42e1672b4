/**
 * The scales at which a VILA checkpoint looks at a picture, as its config says them: `s2_scales`, sides in pixels from the
 * smallest on, and `s2_resize_output_to_scale_idx`, the one that the features of the others are brought to.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { fail } from '../../report/diagnostics.ts';
import { show } from '../../report/show.ts';
import type { VilaVision } from './vision.ts';

/** Of a picture that comes as tiles (`dynamic_s2`). */
export interface Scales {
  /** Side of a tile, in pixels. */
  readonly smallest: number;
  /** Tiles per side of each scale, the first 1; of the last one so many squared are the least. */
  readonly sides: readonly number[];
  /** Index of the scale whose size the others are brought to. */
  readonly output: number;
}

/** Of a square picture that the graph itself resizes and cuts (`s2`). */
export interface Pyramid {
  /** Sides of each scale, in pixels; the picture has the last. */
  readonly sizes: readonly number[];
  /** Tiles per side of each. */
  readonly splits: readonly number[];
  /** Side of a tile, in pixels. */
  readonly tile: number;
  readonly output: number;
}

/** Beyond any picture, and what a graph is compiled for. */
export const mostTiles = 4096;

const key = 's2_scales';

/** How many tiles a scale has is counted in those of the first. Throws VC1201 to VC1204. */
export function readScales(root: ConfigReader, { imageSize, patch }: VilaVision): Scales {
  const listed = readSides(root);
  const [first = 0] = listed;
  if (Math.floor(first / patch) !== Math.floor(imageSize / patch)) {
    throw root.conflict(
      [key, 'vision_tower_cfg.image_size'],
      `${first} and ${imageSize}`,
      'equal: the smallest scale is one view of the tower',
    );
  }
  const sides = listed.map((side) => Math.floor(side / first));
  refuseTiles(root, sides);
  return { smallest: first, sides, output: readOutput(root, sides.length) };
}

/** Tiles are at most `s2_max_split_size` wide, and all views of the tower. Throws VC1201 to VC1204. */
export function readPyramid(root: ConfigReader, { imageSize, patch, drops, extra }: VilaVision): Pyramid {
  const sizes = readSides(root);
  const most = root.int('s2_max_split_size', { min: 1, max: configLimits.side, default: sizes.at(-1) ?? 1 });
  const splits = sizes.map((size) => Math.ceil(size / most));
  const tiles = sizes.map((size, scale) => size / (splits[scale] ?? 1));
  const [tile = 0] = tiles;
  const same = tiles.every((side) => side === tile) && Number.isSafeInteger(tile);
  if (!same || Math.floor(tile / patch) !== Math.floor(imageSize / patch) || drops !== extra) {
    throw root.conflict(
      [key, 's2_max_split_size', 'vision_tower_cfg.image_size', 'mm_vision_select_feature'],
      `tiles of ${tiles.join(', ')} pixels for a tower of ${imageSize}`,
      'tiles that are views of the tower, with all of its patches',
    );
  }
  refuseTiles(root, splits);
  return { sizes, splits, tile, output: readOutput(root, sizes.length) };
}

function readSides(root: ConfigReader): readonly number[] {
  const text = root.string(key);
  const listed = text.split(',').map(Number);
  const usable = (side: number, index: number): boolean =>
    Number.isSafeInteger(side) && side > 0 && side <= configLimits.side && side >= (listed[index - 1] ?? 0);
  if (listed.length <= 64 && listed.every(usable)) return listed;
  throw fail('VC1203', { where: root.place(key), found: show(text), expected: 'sides, ascending' });
}

/** Negative indices count from the last. */
function readOutput(root: ConfigReader, scales: number): number {
  const range = { min: -scales, max: scales - 1, default: 0 };
  const index = root.int('s2_resize_output_to_scale_idx', range);
  return index < 0 ? scales + index : index;
}

function refuseTiles(root: ConfigReader, sides: readonly number[]): void {
  if (Math.max(...sides) ** 2 <= mostTiles) return;
  throw fail('VC1203', {
    where: root.place(key),
    found: show(root.string(key)),
    expected: `at most ${mostTiles} tiles`,
  });
}
