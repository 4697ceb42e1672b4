/**
 * The JSON files of the output folder: model config and image processor, moved to the size that was built. A graph that
 * takes any size keeps both as the publisher wrote them.
 */
import type { Checkpoint, JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { SideFile } from '../architecture.ts';
import type { ImageGeometry } from '../media.ts';
import { findSettings, objectOf } from '../processor-settings.ts';
import type { PatchRowFeed } from '../recipe.ts';
import { sideFilesOf } from '../side-files.ts';

export function qwen2VlSideFiles(
  checkpoint: Checkpoint,
  feed: PatchRowFeed,
  { geometry, compiled }: { readonly geometry: ImageGeometry; readonly compiled: boolean },
): readonly SideFile[] {
  const { file, settings } = findSettings(checkpoint);
  const processor = processorSettings(settings, feed, geometry, compiled);
  const { width, height } = geometry.input;
  const config: JsonObject = compiled
    ? {
        ...checkpoint.config,
        vision_config: { ...objectOf(checkpoint.config.vision_config), image_size: [height, width] },
      }
    : checkpoint.config;
  const written: Readonly<Record<string, JsonValue>> = {
    'config.json': config,
    'preprocessor_config.json': processor,
    // A processor reads its own copy of the settings before the file beside it.
    ...(file === 'processor_config.json'
      ? {
          [file]: { ...objectOf(checkpoint.json.get(file)), image_processor: processor },
        }
      : {}),
  };
  return sideFilesOf(checkpoint, written, [
    'processor_config.json',
    'video_preprocessor_config.json',
    'tokenizer_config.json',
  ]);
}

/**
 * A processor keeps a picture whose sides are whole tokens and whose area is within its limits: with both at the area of
 * the size that was built, it keeps a picture of that size and turns most others into one that the graph refuses.
 */
function processorSettings(
  settings: JsonObject,
  feed: PatchRowFeed,
  { requested, input, mean, std, tokens }: ImageGeometry,
  compiled: boolean,
): JsonObject {
  const area = input.width * input.height;
  const limits = compiled
    ? { min_pixels: area, max_pixels: area }
    : { min_pixels: feed.minPixels, max_pixels: feed.maxPixels };
  const { size, ...others } = settings;
  return {
    image_processor_type: 'Qwen2VLImageProcessor',
    processor_class: 'Qwen2VLProcessor',
    ...others,
    ...(size === undefined
      ? {}
      : { size: { ...objectOf(size), shortest_edge: limits.min_pixels, longest_edge: limits.max_pixels } }),
    ...limits,
    patch_size: feed.patch,
    merge_size: feed.merge,
    temporal_patch_size: feed.frames,
    image_mean: mean,
    image_std: std,
    ...(compiled
      ? {
          vlm_convert: {
            requested: { height: requested.height, width: requested.width },
            input: { height: input.height, width: input.width },
            keep_aspect_ratio: false,
            image_token_span: tokens,
          },
        }
      : {}),
  };
}
