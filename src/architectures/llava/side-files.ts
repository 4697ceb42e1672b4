/**
 * The JSON files of the output folder, moved to the resolution that was built: model config and image processor.
 * What they do not concern is kept as the publisher wrote it.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { isJsonObject } from '../../formats/json.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { filesWithToken } from '../added-token.ts';
import type { SideFile, Tiling } from '../architecture.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import type { ImageGeometry, PictureStep, Size } from '../media.ts';
import { findSettings, objectOf, pillowFilters } from '../processor-settings.ts';
import { sideFilesOf } from '../side-files.ts';
import type { LlavaConfig } from './config.ts';

/**
 * What becomes of a picture before the graphs see it, moved to `input` as `processorSettings` does. Mean and standard
 * deviation per channel as the checkpoint's preprocessor has them, CLIP's where it has none.
 */
export function readPreprocessing(
  checkpoint: Checkpoint,
  input: Size,
): Pick<ImageGeometry, 'mean' | 'std' | 'steps'> {
  const { file, path, settings } = findSettings(checkpoint);
  const reader = new ConfigReader(settings, file, path);
  const filter = pillowFilters.get(settings.resample ?? 3);
  const mean = reader.numbers('image_mean', { length: 3, default: clipMean });
  const square = input.width === input.height;
  const resize: PictureStep | undefined =
    filter === undefined
      ? undefined
      : square
        ? { step: 'shortest-side', side: input.width, filter }
        : { step: 'resize', to: input, filter };
  const pad: readonly PictureStep[] =
    square && settings.do_pad === true ? [{ step: 'pad-square', color: meanColor(mean) }] : [];
  return {
    ...(resize === undefined ? {} : { steps: [...pad, resize, { step: 'center-crop', to: input }] }),
    mean,
    std: reader.numbers('image_std', { length: 3, above: 0, default: clipStd }),
  };
}

/** In bytes, cut to whole ones as the original code does. */
function meanColor(mean: readonly number[]): readonly number[] {
  return mean.map((channel) => Math.trunc(channel * 255));
}

export function llavaSideFiles(
  checkpoint: Checkpoint,
  geometry: ImageGeometry,
  tiling: Tiling,
  config: LlavaConfig,
): readonly SideFile[] {
  const settings = processorSettings(findSettings(checkpoint).settings, geometry, tiling);
  const processor = objectOf(checkpoint.json.get('processor_config.json'));
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': modelConfig(checkpoint.config, geometry),
    'preprocessor_config.json': settings,
    // A processor reads its own copy of the settings before the file beside it.
    ...(isJsonObject(processor.image_processor)
      ? { 'processor_config.json': { ...processor, image_processor: settings } }
      : {}),
    ...(config.imageTokenId < config.text.vocab
      ? {}
      : filesWithToken(checkpoint, { id: config.imageTokenId, content: '<image>' })),
  };
  return sideFilesOf(checkpoint, written, ['processor_config.json', 'tokenizer_config.json']);
}

function modelConfig(config: JsonObject, { input: { width, height }, tokens }: ImageGeometry): JsonValue {
  return {
    ...config,
    image_seq_length: tokens,
    vision_config: {
      ...objectOf(config.vision_config),
      image_size: width === height ? width : [height, width],
    },
  };
}

/**
 * A square keeps CLIP's way: shortest edge to its side, centre crop. Another shape has no shortest edge that
 * would keep the picture whole, so it is resized to the shape itself.
 */
function processorSettings(settings: JsonObject, geometry: ImageGeometry, tiling: Tiling): JsonObject {
  const { width, height }: Size = geometry.input;
  const square = width === height;
  return {
    do_convert_rgb: true,
    do_resize: true,
    do_center_crop: true,
    // PIL's code of bicubic resampling.
    resample: 3,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    ...settings,
    ...(square || settings.do_pad === undefined ? {} : { do_pad: false }),
    size: square ? { shortest_edge: width } : { height, width },
    crop_size: { height, width },
    image_mean: geometry.mean,
    image_std: geometry.std,
    vlm_convert: {
      requested: { height: geometry.requested.height, width: geometry.requested.width },
      keep_aspect_ratio: square,
      tiling,
      image_token_span: geometry.tokens,
    },
  };
}
