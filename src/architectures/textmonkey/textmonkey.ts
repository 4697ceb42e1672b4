/**
 * TextMonkey: Monkey with attention across the tiles inside the tower, and, where it has the token resampler, with a fixed
 * number of features chosen from those of all tiles. The global view, where it is used, keeps all of its features.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { imageViews, windowViews } from '../blocks/image-views.ts';
import type { Grid } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import type { ImageGeometry, Size } from '../media.ts';
import { tilePicture, tileSide, windowGrid } from '../monkey/geometry.ts';
import { isTextMonkey } from '../monkey/monkey.ts';
import { countAdapters, readAdapters } from '../monkey/read-adapters.ts';
import { assembleQwen, openQwen } from '../qwen/assemble.ts';
import { visionTower } from '../qwen/vision-tower.ts';
import { defaultAdapters, readTextMonkeyConfig, type TextMonkeyConfig } from './config.ts';
import { windowTables } from './shifted-windows.ts';
import { tileViews } from './tile-views.ts';
import { tokenResampler } from './token-resampler.ts';
import { windowAttention } from './window-attention.ts';

/** Side of a patch: the windows of 448 pixels are, in the original's code, 32 patches. */
const patchSide = 14;

/** The blocks that the attention across tiles runs before: literals of the original's code. */
const windowBlocks: readonly number[] = [2, 6, 24, 46];

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const source = openQwen(checkpoint);
  const { config, queries, visual } = source;
  const own = readTextMonkeyConfig(checkpoint);
  const { imageSize, patch, layers } = config.visual;
  if (patch !== patchSide) {
    throw fail('VC1232', {
      where: 'config.json: visual.patch_size',
      found: `${patch}`,
      expected: `${patchSide}: a tile is 32 patches of a side, and ${tileSide} pixels`,
    });
  }
  if (options.resolution === undefined) checkOwnSize(imageSize);
  const picture = tilePicture(options.resolution, imageSize, options.tiling, own.globalView);
  const blocks = Array.from({ length: layers }, (_, index) => visual.at(`transformer.resblocks.${index}`));
  const count = countAdapters(blocks, config.visual, defaultAdapters);
  const trained = windowGrid(imageSize);
  const { views, warnings } = tileViews(picture.grid, count, trained, options.loraTiles, own.globalView);
  const tiles = picture.grid.rows * picture.grid.columns;
  const tokens = countTokens(own, tiles, queries);
  if (own.kept !== undefined && own.kept > tiles * queries) {
    const isOwn = options.resolution === undefined;
    throw fail(isOwn ? 'VC1204' : 'VC4202', {
      where: isOwn ? 'config.json: visual.r' : 'resolution',
      found: `${picture.grid.columns}x${picture.grid.rows} tiles with ${tiles * queries} features`,
      expected: `at least ${own.kept}: the token resampler keeps so many`,
    });
  }
  checkSpan(own, imageSize, queries);
  const geometry: ImageGeometry = {
    requested: picture.requested,
    input: picture.input,
    grid: { ...picture.grid, tile: tileSide },
    views,
    tokensPerView: queries,
    ...(own.kept === undefined ? {} : { chosen: own.kept }),
    tokenGrid: { ...source.queryGrid, leading: 0 },
    tokens,
    steps: [{ step: 'resize', to: picture.input, filter: 'bicubic' }],
    mean: clipMean,
    std: clipStd,
    summary: picture.summary,
  };
  const family = {
    id: textMonkey.id,
    introduction: { before: '', after: ' ' },
    visual: { n_queries: tokens },
  };
  return assembleQwen(family, source, geometry, picture.tiling, warnings, (b, pixels) => {
    const layout = { ...picture.input, ...picture.grid, tile: tileSide };
    const cut = b.scope('views', () =>
      own.globalView ? imageViews(b, pixels, layout) : windowViews(b, pixels, layout),
    );
    const side = tileSide / patch;
    const width = config.visual.width;
    const shape = { width, tiles: picture.grid, side, own: patchGrid(imageSize), tables: windowTables() };
    const features = visionTower(b, cut, visual, {
      config: config.visual,
      views: views.length,
      grid: { rows: side, columns: side },
      queries,
      ...(count === 0 ? {} : { adapters: readAdapters(blocks, config.visual, views) }),
      before: (inner, x, block) => {
        const at = own.windowAttention ? windowBlocks.indexOf(block) : -1;
        if (at === -1) return x;
        const weights = visual.at(`transformer.window_attention.${at}`);
        return inner.scope(`windows.${at}`, () =>
          onTiles(inner, x, tiles, views.length, (patches) =>
            windowAttention(inner, patches, weights, shape),
          ),
        );
      },
    });
    const { kept } = own;
    if (kept === undefined) return features;
    return b.scope('resampler', () => {
      const all = { width: config.visual.outputDim, tokens: tiles * queries, kept };
      return chooseTokens(b, features, visual.at('downresampler'), all, own.globalView);
    });
  });
}

/** Length of the image span. */
function countTokens({ kept, globalView }: TextMonkeyConfig, tiles: number, queries: number): number {
  return (kept ?? tiles * queries) + (globalView ? queries : 0);
}

/** Throws VC1204 for a size that the original cannot cut into tiles; another one can be asked for. */
function checkOwnSize({ width, height }: Size): void {
  if (width % tileSide === 0 && height % tileSide === 0) return;
  throw fail('VC1204', {
    where: 'config.json: visual.image_size',
    found: `[${height}, ${width}]`,
    expected: `multiples of ${tileSide}: the original fails at others`,
    hint: 'name a size by --resolution; --tiling says what becomes of the rest',
  });
}

/** Throws VC1204 where the config has another span for its own size than its switches make. */
function checkSpan(config: TextMonkeyConfig, size: Size, queries: number): void {
  const { rows, columns } = windowGrid(size);
  const tokens = countTokens(config, rows * columns, queries);
  if (config.span === undefined || config.span === tokens) return;
  throw fail('VC1204', {
    where: 'config.json: visual.n_queries',
    found: `${config.span}`,
    expected: `${tokens}, the features of a picture of visual.image_size`,
  });
}

/** Patches of a picture: what positions over the map are stored for. */
function patchGrid({ width, height }: Size): Grid {
  return { rows: Math.floor(height / patchSide), columns: Math.floor(width / patchSide) };
}

/** Applies `change` to the first `tiles` views of x [N, views, patches, width]. */
function onTiles(
  b: GraphBuilder,
  x: Value,
  tiles: number,
  views: number,
  change: (patches: Value) => Value,
): Value {
  if (tiles === views) return change(x);
  const [own, others] = b.ops('Split', [x, b.int64([tiles, views - tiles])], 2, { attributes: { axis: 1 } });
  if (own === undefined || others === undefined) throw new RangeError('Split made no two outputs');
  return b.op('Concat', [change(own), others], { attributes: { axis: 1 } });
}

/** features [N, tokens (+ those of the global view), width] → [N, kept (+ those), width] */
function chooseTokens(
  b: GraphBuilder,
  features: Value,
  weights: WeightReader,
  shape: Parameters<typeof tokenResampler>[3],
  globalView: boolean,
): Value {
  const axis = b.int64([1]);
  const ofTiles = globalView
    ? b.op('Slice', [features, b.int64([0]), b.int64([shape.tokens]), axis])
    : features;
  const chosen = tokenResampler(b, ofTiles, weights, shape);
  if (!globalView) return chosen;
  const end = b.int64([Number.MAX_SAFE_INTEGER]);
  const whole = b.op('Slice', [features, b.int64([shape.tokens]), end, axis]);
  return b.op('Concat', [chosen, whole], { attributes: { axis: 1 } });
}

export const textMonkey: Architecture = {
  id: 'textmonkey',
  title: 'TextMonkey',
  modelTypes: ['monkey'],
  recognises: (config, tensorNames) => config.model_type === 'monkey' && isTextMonkey(config, tensorNames),
  build,
};
