/** Pictures and videos as rows of patches: their grids, and what features they become. */
import type { PictureLayout, Size, View } from './media.ts';
import type { PatchRowFeed } from './recipe.ts';

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

/** Row and column of each patch of a frame, in the order of the patches. */
export function patchOrder(
  { rows, columns }: Pick<PatchGrid, 'rows' | 'columns'>,
  merge: number,
): readonly { readonly row: number; readonly column: number }[] {
  const across = columns / merge;
  return Array.from({ length: rows * columns }, (_, index) => {
    const block = Math.floor(index / (merge * merge));
    const inner = index % (merge * merge);
    return {
      row: Math.floor(block / across) * merge + Math.floor(inner / merge),
      column: (block % across) * merge + (inner % merge),
    };
  });
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
