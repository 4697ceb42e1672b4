/** What the tower's folder says of pictures: the size of a view, and how its numbers are normalised. */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import type { PillowFilter } from '../../kernels/pillow-resize.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import type { PictureStep, Size } from '../media.ts';
import { findSettings, pillowFilters } from '../processor-settings.ts';
import type { VilaConfig } from './config.ts';

export interface VilaPreprocessing {
  /** Of a view, as the processor makes it. */
  readonly size: Size;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Of what the processor resizes itself; undefined where it is not known. */
  readonly filter: PillowFilter | undefined;
}

const half = [0.5, 0.5, 0.5];

/** Throws VC1204 where views have another number of patches than the tower has positions for. */
export function readPreprocessing(
  checkpoint: Checkpoint,
  { vision, scales, pyramid }: Pick<VilaConfig, 'vision' | 'scales' | 'pyramid'>,
): VilaPreprocessing {
  const { file, path, settings } = findSettings(checkpoint);
  const reader = new ConfigReader(settings, `vision_tower/${file}`, path);
  const clip = vision.tower.kind === 'clip';
  const largest = pyramid?.sizes.at(-1);
  // CLIP's processor crops what SigLIP's resizes.
  const own = reader.optionalObject(clip ? 'crop_size' : 'size');
  const side = { min: 1, max: configLimits.side, default: vision.imageSize };
  const asked = {
    width: own?.int('width', side) ?? side.default,
    height: own?.int('height', side) ?? side.default,
  };
  // A tower of several scales sets its processor to the smallest one, or, where it resizes itself, to the largest.
  const forced = scales?.smallest ?? largest;
  const size = forced === undefined ? asked : { width: forced, height: forced };
  const wanted = Math.floor(vision.imageSize / vision.patch);
  const sides = forced === undefined ? [size.width, size.height] : [];
  if (sides.some((pixels) => Math.floor(pixels / vision.patch) !== wanted)) {
    throw reader.conflict(
      [clip ? 'crop_size' : 'size'],
      `${size.width}x${size.height} for a tower of ${vision.imageSize}`,
      'as many patches as the tower has positions',
    );
  }
  return {
    size,
    mean: reader.numbers('image_mean', { length: 3, default: clip ? clipMean : half }),
    std: reader.numbers('image_std', { length: 3, above: 0, default: clip ? clipStd : half }),
    filter: pillowFilters.get(settings.resample ?? 3),
  };
}

/** From a picture to one of `input`'s size; undefined where a way of resampling is not known. */
export function pictureSteps(
  input: Size,
  { vision, aspectRatio }: Pick<VilaConfig, 'vision' | 'aspectRatio'>,
  { filter, mean }: VilaPreprocessing,
): readonly PictureStep[] | undefined {
  // The original code resizes as Pillow does by itself; its processor finds nothing left to do.
  if (aspectRatio === 'resize') return [{ step: 'resize', to: input, filter: 'bicubic' }];
  if (filter === undefined) return undefined;
  const square = input.width === input.height;
  const pad: readonly PictureStep[] =
    square && aspectRatio === 'pad'
      ? [{ step: 'pad-square', color: mean.map((channel) => Math.trunc(channel * 255)) }]
      : [];
  if (vision.tower.kind === 'clip' && square) {
    return [...pad, { step: 'shortest-side', side: input.width, filter }, { step: 'center-crop', to: input }];
  }
  return [...pad, { step: 'resize', to: input, filter }];
}
