/** A sound of the user, from a WAV file at the model's sampling rate. */
import { basename } from 'node:path';
import type { AudioGeometry } from '../../../architectures/media.ts';
import type { EncoderRecipe } from '../../../architectures/recipe.ts';
import { type DiagnosticRecord, diagnostic, fail } from '../../../report/diagnostics.ts';
import type { Sample, SampleMedia } from '../sample.ts';
import { soundMedia } from './sound-inputs.ts';
import { readWav } from './wav.ts';

/**
 * Throws VC6109 for what is no WAV file, has another sampling rate (what a resampler makes hangs on which it is), or is too
 * short for a token. What is longer than the encoder takes is cut, as the original processor does (`cut`).
 */
export async function readSound(
  path: string,
  encoder: EncoderRecipe | undefined,
  audio: AudioGeometry | undefined,
): Promise<SampleMedia> {
  const where = basename(path);
  if (encoder === undefined || audio === undefined) {
    throw fail('VC6109', { where, expected: 'no sounds: the model takes none' });
  }
  const { sampleRate, samples, length } = await readWav(path, audio.samples);
  if (sampleRate !== audio.sampleRate) {
    throw fail('VC6109', {
      where,
      found: `${sampleRate} Hz`,
      expected: `${audio.sampleRate} Hz`,
      hint: `ffmpeg -i ${where} -ac 1 -ar ${audio.sampleRate} resampled.wav`,
    });
  }
  const sound = soundMedia(samples, encoder, audio, where);
  if (sound.layout.tokens === 0) {
    throw fail('VC6109', { where, found: `${length} samples`, expected: 'enough of them for a token' });
  }
  const cut = (length - samples.length) / sampleRate;
  return cut > 0 ? { ...sound, cut } : sound;
}

/** VC6112 for each sound of which the end is not heard. */
export function cutSounds(
  media: Sample['media'],
  audio: AudioGeometry | undefined,
): readonly DiagnosticRecord[] {
  return media.flatMap(({ cut, name = 'a sound' }) =>
    cut === undefined || audio === undefined
      ? []
      : [
          diagnostic('VC6112', {
            where: name,
            found: `${Number((cut + audio.seconds).toFixed(2))} s`,
            expected: `at most ${audio.seconds} s: the last ${Number(cut.toFixed(2))} s are left out`,
          }),
        ],
  );
}
