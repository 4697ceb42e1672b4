/**
 * A sound as log-mel frames, as the WhisperFeatureExtractor of transformers makes them: padded with silence to the chunk,
 * windows centred on every hop with the ends mirrored, power, mel bands, log10, at most 8 below the loudest of the chunk,
 * brought to about ±1. The last window, centred behind the chunk, is left out.
 *
 * Layout: features float32 [bands, frames], mask [frames] of 1 and 0.
 */
import type { AudioGeometry } from '../../../architectures/media.ts';
import { fourier } from './fourier.ts';
import { melFilters } from './mel-filters.ts';

export interface LogMel {
  /** [bands, frames] */
  readonly features: Float32Array;
  /** Frames that come from sound, from the first on. */
  readonly heard: number;
}

/** Power below this counts as this. */
const floor = 1e-10;
/** In decades of power. */
const range = 8;

/** `samples` from -1 to 1, at most as many as a chunk holds, at its sampling rate. */
export function logMel(samples: Float32Array, audio: AudioGeometry): LogMel {
  const { window, hop, frames, bands } = audio;
  if (samples.length > audio.samples) throw new RangeError(`${samples.length} samples in a chunk`);
  const transform = fourier(window);
  const filters = melFilters(audio);
  const hann = Float64Array.from(
    { length: window },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / window),
  );
  const piece = new Float64Array(window);
  const power = new Float64Array(Math.floor(window / 2) + 1);
  const features = new Float32Array(bands * frames);
  let loudest = Math.log10(floor);
  for (let frame = 0; frame < frames; frame += 1) {
    const start = frame * hop - Math.floor(window / 2);
    let silent = true;
    for (let n = 0; n < window; n += 1) {
      const sample = samples[mirrored(start + n, audio.samples)] ?? 0;
      silent &&= sample === 0;
      piece[n] = sample * (hann[n] ?? 0);
    }
    if (silent) power.fill(0);
    else transform.power(piece, power);
    for (const [band, { first, weights }] of filters.entries()) {
      let sum = 0;
      for (let bin = 0; bin < weights.length; bin += 1)
        sum += (weights[bin] ?? 0) * (power[first + bin] ?? 0);
      const level = Math.log10(Math.max(sum, floor));
      features[band * frames + frame] = level;
      loudest = Math.max(loudest, level);
    }
  }
  for (const [at, level] of features.entries()) features[at] = (Math.max(level, loudest - range) + 4) / 4;
  return { features, heard: Math.min(Math.ceil(samples.length / hop), frames) };
}

/** The sample that stands for one before or behind the chunk: the ends are not repeated. */
function mirrored(at: number, length: number): number {
  if (at < 0) return -at;
  return at < length ? at : 2 * (length - 1) - at;
}
