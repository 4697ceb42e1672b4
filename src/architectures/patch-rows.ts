/** Pictures and videos as rows of patches: their grids, and what features they become. */
import type { PatchRowFeed, PictureLayout, Size, View } from './architecture.ts';

/** Frames (in groups that a patch holds), rows and columns of a picture, in patches. */
export interface PatchGrid {
  readonly frames: number;
  readonly rows: number;
  readonly columns: number;
}

/** The grid of a picture of whole patches, or of a video of so many frames of that size. */
export function patchGridOf(size: Size, feed: PatchRowFeed, frames = feed.frames): PatchGrid {
  return {
    frames: Math.ceil(frames / feed.frames),
    rows: size.height / feed.patch,
    columns: size.width / feed.patch,
  };
}

/** One view per group of frames, with a token per merge · merge patches. */
export function patchRowLayout(
  { frames, rows, columns }: PatchGrid,
  { patch, merge }: PatchRowFeed,
): PictureLayout {
  const tokenGrid = { rows: rows / merge, columns: columns / merge, leading: 0 };
  const tokensPerView = tokenGrid.rows * tokenGrid.columns;
  const views: readonly View[] =
    frames === 1
      ? [{ kind: 'global' }]
      : Array.from({ length: frames }, (_, frame): View => ({ kind: 'frame', frame }));
  return {
    input: { width: columns * patch, height: rows * patch },
    views,
    tokensPerView,
    tokenGrid,
    tokens: frames * tokensPerView,
  };
}
