/**
 * From a picture size to Monkey's tiles. Pure arithmetic in pixels, no tensors.
 *
 * `fit` shrinks the picture to the largest whole number of tiles inside the request. `crop` is what the
 * reference code does: pictures have the size asked for, windows ignore the rest, the global view sees all.
 * `cover` rounds the number of tiles up and pads the windows; the global view sees the unpadded picture.
 */
import { fail } from '../../report/diagnostics.ts';
import type { Size, Tiling } from '../architecture.ts';
import { checkAtLeast, checkSize, formatSize } from '../resolution.ts';

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
  readonly grid: TileGrid;
  /** One line a user reads. */
  readonly summary: string;
}

/** Tiles for a request, or for the checkpoint's own size as the reference runs it when nothing is asked for. */
export function tilePicture(request: Size | undefined, own: Size, tiling: Tiling): TiledPicture {
  if (request === undefined) return tiled(own, 'crop', `${formatSize(own)} (the checkpoint's own size)`);
  return tiled(request, tiling, formatSize(request));
}

function tiled(request: Size, tiling: Tiling, title: string): TiledPicture {
  checkSize(request);
  checkAtLeast(request, tileSide, `a tile is ${tileSide}x${tileSide}`);
  const round = tiling === 'cover' ? Math.ceil : Math.floor;
  const grid = { columns: round(request.width / tileSide), rows: round(request.height / tileSide) };
  if (grid.rows * grid.columns > maxTiles) {
    throw fail('VC4203', {
      where: 'resolution',
      found: `${formatSize(request)}, which is ${grid.columns}x${grid.rows} tiles of ${tileSide}`,
      expected: `at most ${maxTiles} tiles`,
    });
  }
  const covered = { width: grid.columns * tileSide, height: grid.rows * tileSide };
  const input = tiling === 'fit' ? covered : request;
  return { requested: request, input, grid, summary: summarise(title, tiling, grid, input, covered) };
}

function summarise(title: string, tiling: Tiling, grid: TileGrid, input: Size, covered: Size): string {
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
      const rest = lost.length === 0 ? '' : `: only the global view sees ${lost.join(' and ')}`;
      return `${tiles} (crop${rest})`;
    }
    case 'cover': {
      const padded = right < 0 || bottom < 0 ? `, padded to ${formatSize(covered)}` : '';
      return `${tiles} (cover${padded})`;
    }
  }
}
