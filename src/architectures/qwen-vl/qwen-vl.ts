/**
 * Qwen-VL and Qwen-VL-Chat: one view of the whole picture, `queries` features, QWen-7B as language model.
 * At another size than the checkpoint's own, position table and resampler keys are resized to the patch grid.
 */

import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import type { Architecture, BuildOptions, BuiltModel } from '../architecture.ts';
import { fitPicture } from '../blocks/image-views.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import type { ImageGeometry } from '../media.ts';
import { patchPicture } from '../patch-geometry.ts';
import { assembleQwen, checkQueries, openQwen } from '../qwen/assemble.ts';
import { visionTower } from '../qwen/vision-tower.ts';

function build(checkpoint: Checkpoint, options: BuildOptions): BuiltModel {
  const source = openQwen(checkpoint);
  checkQueries(source);
  const { config, queries } = source;
  const { imageSize, patch } = config.visual;
  const picture = patchPicture(options.resolution, imageSize, options.tiling, patch);
  const geometry: ImageGeometry = {
    requested: picture.requested,
    input: picture.input,
    views: [{ kind: 'global' }],
    tokensPerView: queries,
    tokenGrid: { ...source.queryGrid, leading: 0 },
    tokens: queries,
    steps: [{ step: 'resize', to: picture.input, filter: 'bicubic' }],
    mean: clipMean,
    std: clipStd,
    summary: picture.summary,
  };
  const family = { id: qwenVl.id, introduction: { before: 'Picture 1:', after: '\n' } };
  return assembleQwen(family, source, geometry, picture.tiling, [], (b, pixels) => {
    const covered = fitPicture(b, pixels, picture.input, picture.covered);
    const shape = { config: config.visual, views: 1, grid: picture.grid, queries };
    return visionTower(b, covered, source.visual, shape);
  });
}

export const qwenVl: Architecture = {
  id: 'qwen-vl',
  title: 'Qwen-VL',
  modelTypes: ['qwen'],
  // The language model alone has the same model_type and no `visual`.
  recognises: (config: JsonObject) => config.model_type === 'qwen' && config.visual !== undefined,
  build,
};
