/** What an encoder of sounds is fed with for one sound, and what its features are. */

import { soundLayout } from '../../../architectures/log-mel.ts';
import type { AudioGeometry } from '../../../architectures/media.ts';
import type { EncoderRecipe, LogMelFeed } from '../../../architectures/recipe.ts';
import { float32Value, int64Value, type RunTensor } from '../../../runtime/values.ts';
import { sha256 } from '../recorded-values.ts';
import type { SampleMedia } from '../sample.ts';
import { logMel } from './log-mel.ts';

/** Of `samples` at the encoder's rate, at most as many as it takes. `name` is the file's. */
export function soundMedia(
  samples: Float32Array,
  encoder: EncoderRecipe,
  audio: AudioGeometry,
  name?: string,
): SampleMedia {
  const { features, heard } = logMel(samples, audio);
  return {
    kind: 'audio',
    feeds: soundFeeds(encoder.input, logMelFeed(encoder), features, heard, audio),
    layout: soundLayout(heard, audio),
    sha256: sha256(samples),
    ...(name === undefined ? {} : { name }),
  };
}

/** Frames [bands, frames] of which the first `heard` come from sound. */
export function soundFeeds(
  input: string,
  { mask }: LogMelFeed,
  features: Float32Array,
  heard: number,
  { bands, frames }: AudioGeometry,
): ReadonlyMap<string, RunTensor> {
  const own = Array.from({ length: frames }, (_, frame) => (frame < heard ? 1 : 0));
  return new Map([
    [input, float32Value([1, bands, frames], features)],
    [mask, int64Value([1, frames], own)],
  ]);
}

/** Throws a RangeError for an encoder of something else. */
export function logMelFeed({ feed, component }: EncoderRecipe): LogMelFeed {
  if (feed.form !== 'log-mel') throw new RangeError(`${component} takes no sounds`);
  return feed;
}
