/**
 * Monkey and Monkey-Chat: Qwen-VL whose tower sees windows of 448 pixels, each with its own low-rank adapters,
 * and the whole picture resized to one window, without. Features: windows row-major, then the global view.
 */

import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { fail } from '../../report/diagnostics.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { imageViews } from '../blocks/image-views.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import type { ImageGeometry } from '../media.ts';
import { assembleQwen, checkQueries, openQwen } from '../qwen/assemble.ts';
import { visionTower } from '../qwen/vision-tower.ts';
import { tilePicture, tileSide, windowGrid } from './geometry.ts';
import { countAdapters, readAdapters } from './read-adapters.ts';
import { assignAdapters } from './tile-adapters.ts';

/** lora_repeat_num where the config leaves it out: the default of Monkey's visual.py. */
const defaultAdapters = 4;

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const source = openQwen(checkpoint);
  checkQueries(source);
  const { config, queries, visual } = source;
  const { imageSize, patch, layers } = config.visual;
  if (tileSide % patch !== 0) {
    throw fail('VC1204', {
      where: 'config.json: visual.patch_size',
      found: `${patch}`,
      expected: `a divisor of the tile's side, ${tileSide}`,
    });
  }
  const picture = tilePicture(options.resolution, imageSize, options.tiling);

  const blocks = Array.from({ length: layers }, (_, index) => visual.at(`transformer.resblocks.${index}`));
  const count = countAdapters(blocks, config.visual, defaultAdapters);
  const { views, warnings } = assignAdapters(picture.grid, count, windowGrid(imageSize), options.loraTiles);
  const geometry: ImageGeometry = {
    requested: picture.requested,
    input: picture.input,
    grid: { ...picture.grid, tile: tileSide },
    views,
    tokensPerView: queries,
    tokenGrid: { ...source.queryGrid, leading: 0 },
    tokens: views.length * queries,
    steps: [{ step: 'resize', to: picture.input, filter: 'bicubic' }],
    mean: clipMean,
    std: clipStd,
    summary: picture.summary,
  };
  const family = { id: monkey.id, introduction: { before: '', after: ' ' } };
  return assembleQwen(family, source, geometry, picture.tiling, warnings, (b, pixels) => {
    const layout = { ...picture.input, ...picture.grid, tile: tileSide };
    const cut = b.scope('views', () => imageViews(b, pixels, layout));
    const patches = tileSide / patch;
    return visionTower(b, cut, visual, {
      config: config.visual,
      views: views.length,
      grid: { rows: patches, columns: patches },
      queries,
      adapters: readAdapters(blocks, config.visual, views),
    });
  });
}

/** TextMonkey says `monkey` too, but has window attention, and with it tensors that Monkey lacks. */
export function isTextMonkey(config: JsonObject, tensorNames: ReadonlySet<string>): boolean {
  const { architectures } = config;
  const named = Array.isArray(architectures) ? architectures.filter((name) => typeof name === 'string') : [];
  if (named.some((name) => /textmonkey/i.test(name))) return true;
  for (const name of tensorNames) {
    if (/^transformer\.visual\.(transformer\.window_attention|downresampler)\./.test(name)) return true;
  }
  return false;
}

export const monkey: Architecture = {
  id: 'monkey',
  title: 'Monkey',
  modelTypes: ['monkey'],
  recognises: (config, tensorNames) => config.model_type === 'monkey' && !isTextMonkey(config, tensorNames),
  build,
};
