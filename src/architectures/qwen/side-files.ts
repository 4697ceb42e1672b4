/**
 * The JSON files of the output folder, moved to the resolution that was built: model config, preprocessor,
 * tokenizer. What they do not concern is kept as the publisher wrote it.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { SideFile, Tiling } from '../architecture.ts';
import type { ImageGeometry, Size } from '../media.ts';
import { sideFilesOf } from '../side-files.ts';

/** PIL's code of bicubic resampling. */
const bicubic = 3;

export function qwenSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  tiling: Tiling,
  visual: JsonObject = {},
): readonly SideFile[] {
  return sideFilesOf(checkpoint, {
    'config.json': modelConfig(checkpoint.config, geometry.input, visual),
    'preprocessor_config.json': preprocessorConfig(geometry, tiling),
    'tokenizer_config.json': {
      ...objectOf(checkpoint.json.get('tokenizer_config.json')),
      image_token_span: geometry.tokens,
    },
  });
}

function modelConfig(config: JsonObject, { width, height }: Size, own: JsonObject): JsonValue {
  const visual = objectOf(config.visual);
  const isSquareNumber = typeof visual.image_size === 'number' && width === height;
  const size = isSquareNumber ? width : [height, width];
  return { ...config, visual: { ...visual, image_size: size, ...own } };
}

function preprocessorConfig(geometry: ImageGeometry, tiling: Tiling): JsonValue {
  const { width, height } = geometry.input;
  const { grid } = geometry;
  return {
    do_convert_rgb: true,
    do_resize: true,
    do_center_crop: false,
    size: { height, width },
    resample: bicubic,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: geometry.mean,
    image_std: geometry.std,
    vlm_convert: {
      requested: { height: geometry.requested.height, width: geometry.requested.width },
      keep_aspect_ratio: false,
      tiling,
      ...(grid === undefined ? {} : { grid: { rows: grid.rows, columns: grid.columns, tile: grid.tile } }),
      global_view: geometry.views.some(({ kind }) => kind === 'global'),
      tokens_per_view: geometry.tokensPerView,
      ...(geometry.chosen === undefined ? {} : { chosen_tokens: geometry.chosen }),
      image_token_span: geometry.tokens,
    },
  };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonObject) : {};
}
