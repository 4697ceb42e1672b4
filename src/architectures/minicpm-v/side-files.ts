/**
 * The JSON files of the output folder. Config and image processor stay as the publisher wrote them; a graph that is
 * compiled for one size says so in a section of its own, with the views that it takes.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { isJsonObject } from '../../formats/json.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import type { SideFile } from '../architecture.ts';
import type { ImageGeometry, Size } from '../media.ts';
import type { Slicing } from '../recipe.ts';
import { sideFilesOf } from '../side-files.ts';
import type { MiniCpmPreprocessing } from './config.ts';
import { patchGrid } from './slicing.ts';

export interface BuiltSize {
  readonly geometry: ImageGeometry;
  readonly slicing: Slicing;
  readonly compiled: boolean;
}

export function miniCpmSideFiles(
  checkpoint: Checkpoint,
  preprocessing: MiniCpmPreprocessing,
  built: BuiltSize,
): readonly SideFile[] {
  return sideFilesOf(checkpoint, {
    'config.json': checkpoint.config,
    'preprocessor_config.json': processorConfig(checkpoint, preprocessing, built),
  });
}

function processorConfig(
  { json }: Checkpoint,
  { rule, mean, std }: MiniCpmPreprocessing,
  { geometry, slicing, compiled }: BuiltSize,
): JsonValue {
  const settings = json.get('preprocessor_config.json');
  const sized = ({ width, height }: Size): JsonValue => {
    const { rows, columns } = patchGrid({ width, height }, rule.patch);
    return { height, width, tgt_size: [rows, columns] };
  };
  const { requested, tokens, tokensPerView } = geometry;
  return {
    ...(isJsonObject(settings) ? settings : {}),
    max_slice_nums: rule.maxSlices,
    scale_resolution: rule.scale,
    patch_size: rule.patch,
    norm_mean: mean,
    norm_std: std,
    image_feature_size: tokensPerView,
    ...(compiled
      ? {
          vlm_convert: {
            requested: { height: requested.height, width: requested.width },
            keep_aspect_ratio: false,
            source: sized(slicing.source),
            slices:
              slicing.slices === undefined
                ? null
                : { ...slicing.slices.grid, each: sized(slicing.slices.size) },
            tokens_per_view: tokensPerView,
            image_token_span: tokens,
          },
        }
      : {}),
  };
}
