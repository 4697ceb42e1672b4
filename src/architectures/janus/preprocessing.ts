/**
 * What becomes of a picture before the tower sees it, and of pixels that the generator made: the settings of both image
 * processors. Absent keys mean the defaults of their classes. A picture is as large as fits, on a ground of the mean colour.
 */
import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { clipMean, clipStd } from '../clip/pixels.ts';
import type { ImageGeometry, InsideStep, PictureStep, Size } from '../media.ts';
import { findSettings, pillowFilters } from '../processor-settings.ts';

/** Of a byte, in the settings of every release. */
const releasedFactor = 1 / 255;
/** Factors that are written with fewer digits than a double has are the same. */
const factorError = 1e-6;

export function readPreprocessing(
  checkpoint: Checkpoint,
  input: Size,
  rounding: InsideStep['rounding'],
): Pick<ImageGeometry, 'mean' | 'std' | 'steps'> {
  const { file, path, settings } = findSettings(checkpoint);
  const reader = new ConfigReader(settings, file, path);
  const mean = reader.numbers('image_mean', { length: 3, default: clipMean });
  const std = reader.numbers('image_std', { length: 3, above: 0, default: clipStd });
  const least = reader.int('min_size', { min: 1, max: configLimits.side, default: 14 });
  if (least > Math.min(input.width, input.height)) {
    throw reader.conflict(['min_size'], `${least}`, `at most ${Math.min(input.width, input.height)}`);
  }
  const filter = pillowFilters.get(settings.resample ?? 3);
  const reshapes =
    reader.bool('do_resize', { default: true }) &&
    reader.bool('do_pad', { default: true }) &&
    reader.bool('do_rescale', { default: true });
  const steps: readonly PictureStep[] | undefined =
    filter === undefined || !reshapes
      ? undefined
      : [
          { step: 'inside', to: input, least, rounding, filter },
          { step: 'pad', to: input, color: mean.map((channel) => Math.trunc(channel * 255)) },
        ];
  const factor = reader.number('rescale_factor', { above: 0, max: 1, default: releasedFactor });
  return {
    ...(steps === undefined ? {} : { steps }),
    ...normalisation(reader.bool('do_normalize', { default: true }), factor, mean, std),
  };
}

/** (byte · factor - mean) / std as what the graphs' callers compute, (byte / 255 - mean) / std. */
function normalisation(
  normalised: boolean,
  factor: number,
  mean: readonly number[],
  std: readonly number[],
): Pick<ImageGeometry, 'mean' | 'std'> {
  const scale = Math.abs(factor * 255 - 1) < factorError ? 1 : 1 / (factor * 255);
  const each = (values: readonly number[], neutral: number): readonly number[] =>
    values.map((value) => (normalised ? value : neutral) * scale);
  return { mean: each(mean, 0), std: each(std, 1) };
}
