/**
 * Picture sizes of VILA. A picture that is one view has the size of the tower's square, or another that is asked for. One
 * that is cut into tiles has whatever size: where tiles become one picture's features, a graph takes any number of them,
 * or is compiled for those of a picture of the size asked for.
 */
import { fail } from '../../report/diagnostics.ts';
import type { BuildOptions } from '../architecture.ts';
import type { Grid } from '../blocks/resize.ts';
import type { ImageGeometry, Size } from '../media.ts';
import { patchPicture, oneView as pictureView } from '../patch-geometry.ts';
import type { TileFeed } from '../recipe.ts';
import { checkCount, checkSize, formatSize } from '../resolution.ts';
import type { VilaConfig } from './config.ts';
import { pictureSteps, type VilaPreprocessing } from './preprocessing.ts';
import { tokenGrid } from './projector.ts';
import { pyramidGrid } from './pyramid.ts';
import { tiledLayout, tileGrids } from './tiles.ts';
import { towerTokens } from './vision.ts';

/** Attention over more patches takes 16 GiB per head for its scores alone. */
const maxPatches = 65536;

export interface OneView {
  readonly kind: 'view';
  readonly geometry: ImageGeometry;
  /** Patches of the view, and the pixels that they cover. */
  readonly patches: Grid;
  readonly covered: Size;
}

export interface Tiled {
  readonly kind: 'tiles';
  readonly geometry: ImageGeometry;
  /** Patches of a tile. */
  readonly patches: Grid;
  readonly feed: TileFeed;
}

export function describePictures(
  config: VilaConfig,
  preprocessing: VilaPreprocessing,
  options: BuildOptions,
): OneView | Tiled {
  const { aspectRatio } = config;
  const cut = aspectRatio === 'dynamic' || aspectRatio === 'dynamic_s2';
  return cut ? tiled(config, preprocessing, options) : oneView(config, preprocessing, options);
}

function oneView(
  config: VilaConfig,
  preprocessing: VilaPreprocessing,
  { resolution, tiling }: BuildOptions,
): OneView {
  const { vision, projector, pyramid } = config;
  if (resolution !== undefined && pyramid !== undefined) {
    throw fail('VC4201', {
      where: 'resolution',
      found: formatSize(resolution),
      expected: `none: pictures are seen as squares of ${pyramid.sizes.join(', ')} pixels`,
    });
  }
  const ownKey = 'vision_tower_cfg.image_size';
  const picture = patchPicture(resolution, preprocessing.size, tiling, vision.patch, ownKey);
  const { input } = picture;
  const patches = pyramid === undefined ? picture.grid : squarePatches(pyramid.tile, vision.patch);
  const { mean, std } = preprocessing;
  // Of the map that the projector sees.
  const cells = pyramid === undefined ? patches : pyramidGrid(pyramid, patches);
  const joined = tokenGrid(cells, projector);
  const tokens =
    projector.join === 1 && pyramid === undefined ? towerTokens(vision, cells) : joined.rows * joined.columns;
  const steps = pictureSteps(input, config, preprocessing);
  const inOrder = !projector.transposed && tokens === joined.rows * joined.columns;
  return {
    kind: 'view',
    patches,
    // Tiles of scales are cut of the whole picture, whatever patches they hold.
    covered: pyramid === undefined ? picture.covered : input,
    geometry: pictureView(
      picture,
      {
        tokens,
        ...(inOrder ? { tokenGrid: { ...joined, leading: 0 } } : {}),
        ...(steps === undefined ? {} : { steps }),
        mean,
        std,
      },
      `, ${tokens} tokens`,
    ),
  };
}

/** Throws VC4201 to VC4203 for sizes that make no picture, or where no size is left to ask for. */
function tiled(
  config: VilaConfig,
  { size, mean, std }: VilaPreprocessing,
  { resolution }: BuildOptions,
): Tiled {
  const { vision, projector, scales, tiles, aspectRatio } = config;
  const joined = aspectRatio === 'dynamic_s2' && scales !== undefined;
  if (resolution !== undefined && !joined) {
    throw fail('VC4201', {
      where: 'resolution',
      found: formatSize(resolution),
      expected: `none: tiles of ${formatSize(size)} are views of their own, of which the graph takes any number`,
    });
  }
  const patches = squarePatches(size.width, vision.patch);
  const sides = joined ? scales.sides : [1];
  const feed: TileFeed = {
    form: 'tiles',
    side: size.width,
    squares: sides.slice(0, -1),
    least: joined ? (sides.at(-1) ?? 1) ** 2 : tiles.least,
    most: tiles.most,
    joined,
    output: joined ? scales.output : 0,
    tokens: tokenGrid(patches, projector).rows,
  };
  const drawn = resolution ?? { width: 3 * size.width, height: 2 * size.height };
  checkSize({ size: drawn, where: 'resolution' }, 1, 'pixel');
  const grids = tileGrids(drawn, feed);
  if (resolution !== undefined) {
    const [last = patches] = grids.slice(-1);
    const whole = { rows: last.rows * patches.rows, columns: last.columns * patches.columns };
    checkCount({ size: resolution, where: 'resolution' }, whole, maxPatches, 'patches');
  }
  const layout = tiledLayout(grids, feed);
  const shown = grids.map(({ rows, columns }) => `${columns}x${rows}`).join(', ');
  const cut = `${formatSize(drawn)} → ${shown} tiles of ${feed.side}, ${layout.tokens} tokens`;
  return {
    kind: 'tiles',
    patches,
    feed: {
      ...feed,
      ...(!joined ? {} : resolution === undefined ? { grids: gridsInput } : { known: grids }),
    },
    geometry: {
      ...layout,
      requested: drawn,
      steps: [],
      mean,
      std,
      summary: resolution === undefined ? `any size; checked at ${cut}` : cut,
    },
  };
}

function squarePatches(side: number, patch: number): Grid {
  const count = Math.floor(side / patch);
  return { rows: count, columns: count };
}

/** Rows and columns of tiles at each scale. */
export const gridsInput = 'tile_grids';
