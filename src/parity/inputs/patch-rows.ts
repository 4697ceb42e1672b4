/**
 * Frames as rows of patches: [patches, 3 · frames per patch · patch · patch], each row (channel, frame, row, column), in
 * the order that `PatchRowFeed` describes. A picture is its own second frame; a video whose frames do not fill the last
 * patch repeats the last one.
 */

import { type PatchGrid, patchGridOf, patchOrder } from '../../architectures/patch-rows.ts';
import type { PatchRowFeed } from '../../architectures/recipe.ts';
import { levelTables, type Picture } from './picture.ts';

export interface PatchRows {
  readonly grid: PatchGrid;
  /** Numbers in a row. */
  readonly length: number;
  readonly data: Float32Array;
}

/** `frames`: one or more of one size, whole patches. Mean and standard deviation per channel. */
export function patchRows(
  frames: readonly Picture[],
  feed: PatchRowFeed,
  mean: readonly number[],
  std: readonly number[],
): PatchRows {
  const [first] = frames;
  if (first === undefined) throw new RangeError('a video without frames');
  const { patch, merge, frames: depth } = feed;
  const grid = patchGridOf(first, feed, frames.length);
  const length = 3 * depth * patch * patch;
  const data = new Float32Array(grid.frames * grid.rows * grid.columns * length);
  const tables = levelTables(mean, std);
  let at = 0;
  for (let group = 0; group < grid.frames; group += 1) {
    const own = Array.from(
      { length: depth },
      (_, i) => frames[Math.min(group * depth + i, frames.length - 1)] ?? first,
    );
    for (const { row, column } of patchOrder(grid, merge)) {
      for (const [channel, table] of tables.entries()) {
        for (const frame of own) {
          for (let y = row * patch; y < (row + 1) * patch; y += 1) {
            let from = (y * first.width + column * patch) * 3 + channel;
            for (let x = 0; x < patch; x += 1, from += 3) {
              data[at] = table[frame.rgb[from] ?? 0] ?? 0;
              at += 1;
            }
          }
        }
      }
    }
  }
  return { grid, length, data };
}
