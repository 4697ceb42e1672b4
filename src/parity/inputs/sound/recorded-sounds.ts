/** Recorded sounds, one by one: `input_features` [N, bands, frames] and `feature_attention_mask` [N, frames]. */

import { soundLayout } from '../../../architectures/log-mel.ts';
import type { AudioGeometry } from '../../../architectures/media.ts';
import type { EncoderRecipe } from '../../../architectures/recipe.ts';
import { fail } from '../../../report/diagnostics.ts';
import type { RunTensor } from '../../../runtime/values.ts';
import { floats, integers, sha256 } from '../recorded-values.ts';
import type { SampleMedia } from '../sample.ts';
import { logMelFeed, soundFeeds } from './sound-inputs.ts';

/**
 * Undefined where none were recorded. Throws VC6109 for what the model does not take. A recording of a longer chunk is
 * cut to the one that the graphs were built for, where it is silent behind that.
 */
export function recordedSounds(
  values: ReadonlyMap<string, RunTensor>,
  encoder: EncoderRecipe | undefined,
  audio: AudioGeometry | undefined,
  name: string,
): readonly SampleMedia[] | undefined {
  const features = values.get('input_features');
  if (features === undefined) return undefined;
  const where = `${name}: input_features`;
  if (encoder === undefined || audio === undefined) {
    throw fail('VC6109', { where, expected: 'none: the model takes no sounds' });
  }
  const { bands, frames } = audio;
  const [count = 0, rows, recorded = 0] = features.shape;
  if (features.shape.length !== 3 || count < 1 || rows !== bands || recorded < frames) {
    throw fail('VC6109', {
      where,
      found: `[${features.shape}]`,
      expected: `[N,${bands},${frames}]`,
    });
  }
  const heard = readMask(values.get('feature_attention_mask'), count, recorded, name);
  const data = floats(features, where);
  return Array.from({ length: count }, (_, sound): SampleMedia => {
    const length = heard[sound] ?? 0;
    if (length > frames) {
      throw fail('VC6109', {
        where: `${where}, sound ${sound}`,
        found: `${length} frames of sound`,
        expected: `at most ${frames}: the graphs were built for them`,
      });
    }
    const own = new Float32Array(bands * frames);
    for (let band = 0; band < bands; band += 1) {
      const from = (sound * bands + band) * recorded;
      own.set(data.subarray(from, from + frames), band * frames);
    }
    return {
      kind: 'audio',
      feeds: soundFeeds(encoder.input, logMelFeed(encoder), own, length, audio),
      layout: soundLayout(length, audio),
      sha256: sha256(own),
      name: `${name} ${sound}`,
    };
  });
}

/** Frames that come from sound, of each: those before all others. */
function readMask(
  mask: RunTensor | undefined,
  count: number,
  frames: number,
  name: string,
): readonly number[] {
  const where = `${name}: feature_attention_mask`;
  if (mask === undefined || mask.shape.join() !== `${count},${frames}`) {
    throw fail('VC6109', {
      where,
      found: mask === undefined ? 'none' : `[${mask.shape}]`,
      expected: `[${count},${frames}]`,
    });
  }
  const all = integers(mask, where);
  return Array.from({ length: count }, (_, sound) => {
    const own = all.slice(sound * frames, (sound + 1) * frames);
    const heard = own.filter((frame) => frame === 1).length;
    if (heard > 0 && own.every((frame, at) => frame === (at < heard ? 1 : 0))) return heard;
    throw fail('VC6109', { where: `${where}, sound ${sound}`, expected: 'ones, and zeros behind them' });
  });
}
