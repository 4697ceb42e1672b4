/**
 * From a picture size to Monkey's tiles. Pure arithmetic in pixels, no tensors.
 *
 * `fit` shrinks the picture to the largest whole number of tiles inside the request. `crop` is what the
 * reference code does: pictures have the size asked for, windows ignore the rest, the global view sees all.
 * `cover` rounds the number of tiles up and pads the windows; the global view sees the unpadded picture.
 */
import type { Tiling } from '../architecture.ts';
import type { Size } from '../media.ts';
import { checkCount, checkSize, formatSize, requestedSize } from '../resolution.ts';

/** Side of a window: a literal 448 in the reference's forward, no key of any config. */
export const tileSide = 448;

/** More tiles than any machine would run at once: 256 of them are 16 times the largest public recipe. */
const maxTiles = 256;

export interface TileGrid {
  readonly rows: number;
  readonly columns: number;
}

export interface TiledPicture {
  readonly requested: Size;
  /** Size of `pixel_values`. */
  readonly input: Size;
  /** What was done: `crop` where nothing was asked for. */
  readonly tiling: Tiling;
  readonly grid: TileGrid;
  /** One line a user reads. */
  readonly summary: string;
}

/** The grid that a picture of this size has in the reference; may be empty. */
export function windowGrid({ width, height }: Size): TileGrid {
  return { columns: Math.floor(width / tileSide), rows: Math.floor(height / tileSide) };
}

/**
 * Tiles for a request, or for the checkpoint's own size as the reference runs it when nothing is asked for.
 * `globalView`: whether the whole picture is seen besides. Throws VC4201 to VC4203 for sizes that cannot be tiled.
 */
export function tilePicture(
  option: Size | undefined,
  own: Size,
  tiling: Tiling,
  globalView = true,
): TiledPicture {
  const request = requestedSize(option, own);
  const { size } = request;
  checkSize(request, tileSide, 'tile');
  const mode = option === undefined ? 'crop' : tiling;
  const covering = { width: size.width + tileSide - 1, height: size.height + tileSide - 1 };
  const grid = windowGrid(mode === 'cover' ? covering : size);
  checkCount(request, grid, maxTiles, 'tiles');
  const covered = { width: grid.columns * tileSide, height: grid.rows * tileSide };
  const input = mode === 'fit' ? covered : size;
  const title = option === undefined ? `${formatSize(own)} (the checkpoint's own size)` : formatSize(size);
  const seen = globalView ? 'only the global view sees' : 'nothing sees';
  const summary = summarise(title, mode, { grid, input, covered, seen });
  return { requested: size, input, tiling: mode, grid, summary };
}

function summarise(
  title: string,
  tiling: Tiling,
  {
    grid,
    input,
    covered,
    seen,
  }: { readonly grid: TileGrid; readonly input: Size; readonly covered: Size; readonly seen: string },
): string {
  const tiles = `${title} → ${grid.columns}x${grid.rows} tiles of ${tileSide}`;
  const right = input.width - covered.width;
  const bottom = input.height - covered.height;
  switch (tiling) {
    case 'fit':
      return `${tiles} at ${formatSize(covered)} (fit)`;
    case 'crop': {
      const lost = [
        ...(right > 0 ? [`the right ${right} columns`] : []),
        ...(bottom > 0 ? [`the bottom ${bottom} rows`] : []),
      ];
      const rest = lost.length === 0 ? '' : `: ${seen} ${lost.join(' and ')}`;
      return `${tiles} (crop${rest})`;
    }
    case 'cover': {
      const padded = right < 0 || bottom < 0 ? `, padded to ${formatSize(covered)}` : '';
      return `${tiles} (cover${padded})`;
    }
  }
}
