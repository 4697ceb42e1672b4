/** What a Qwen2-VL checkpoint's image processor is set to. Absent keys mean the defaults of transformers. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader } from '../../formats/checkpoint/config.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import { findSettings } from '../processor-settings.ts';
import type { PatchRowFeed } from '../recipe.ts';
import type { Qwen2VlVisionConfig } from './config.ts';

export interface Processor extends Pick<PatchRowFeed, 'minPixels' | 'maxPixels'> {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** 2^40: beyond any picture, and exact. */
const mostPixels = 2 ** 40;

/**
 * The limits are `min_pixels` and `max_pixels`, or `size` as newer versions write them. Throws VC1201 to VC1204 where
 * settings are not usable or cut patches that the model does not take.
 */
export function readProcessor(checkpoint: Checkpoint, vision: Qwen2VlVisionConfig): Processor {
  const { file, path, settings } = findSettings(checkpoint);
  const reader = new ConfigReader(settings, file, path);
  for (const [key, wanted] of [
    ['patch_size', vision.patch],
    ['merge_size', vision.merge],
    ['temporal_patch_size', vision.frames],
  ] as const) {
    const found = reader.int(key, { default: wanted });
    if (found === wanted) continue;
    throw reader.conflict([key], `${found}`, `${wanted}, as vision_config of config.json has it`);
  }
  const size = reader.optionalObject('size');
  const limit = (key: string, inSize: string, fallback: number): number => {
    const range = { min: 1, max: mostPixels };
    if (reader.has(key)) return reader.int(key, range);
    return size?.int(inSize, { ...range, default: fallback }) ?? fallback;
  };
  const minPixels = limit('min_pixels', 'shortest_edge', 56 * 56);
  const maxPixels = limit('max_pixels', 'longest_edge', 28 * 28 * 1280);
  if (minPixels > maxPixels) {
    throw reader.conflict(['min_pixels', 'max_pixels'], `${minPixels} and ${maxPixels}`, 'least and most');
  }
  return {
    minPixels,
    maxPixels,
    mean: reader.numbers('image_mean', { length: 3, default: clipMean }),
    std: reader.numbers('image_std', { length: 3, above: 0, default: clipStd }),
  };
}
