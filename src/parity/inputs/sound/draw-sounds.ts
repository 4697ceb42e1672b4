/**
 * Draws sounds that sweep an encoder as speech does: voiced stretches whose pitch and formants glide, noise between them,
 * and pauses. Two of different lengths, so that what is masked shows; everything follows from length and seed.
 */
import type { AudioGeometry } from '../../../architectures/media.ts';
import type { EncoderRecipe } from '../../../architectures/recipe.ts';
import { Random } from '../random.ts';
import type { SampleMedia } from '../sample.ts';
import { soundMedia } from './sound-inputs.ts';

/** Of the chunk. The second leaves a position without a partner in most chunks. */
const shares = [0.83, 0.37] as const;
/** Of one stretch, in seconds. */
const stretch = { least: 0.08, most: 0.25 } as const;
/** Voice is the sum of so many harmonics. */
const harmonics = 24;

export function drawSounds(
  encoder: EncoderRecipe,
  audio: AudioGeometry,
  seed: number,
): readonly SampleMedia[] {
  return shares.map((share, index) => {
    const samples = drawSound(Math.max(1, Math.floor(audio.samples * share)), audio.sampleRate, seed + index);
    return soundMedia(samples, encoder, audio);
  });
}

/** `length` samples from -1 to 1. */
export function drawSound(length: number, sampleRate: number, seed: number): Float32Array {
  const random = new Random(seed);
  const samples = new Float32Array(length);
  let at = 0;
  while (at < length) {
    const seconds = stretch.least + (stretch.most - stretch.least) * random.unit();
    const end = Math.min(length, at + Math.ceil(seconds * sampleRate));
    const own = samples.subarray(at, end);
    const kind = random.int(0, 8);
    if (kind < 5) drawVoice(own, sampleRate, random);
    else if (kind < 7) drawNoise(own, random);
    at = end;
  }
  return samples;
}

function drawVoice(out: Float32Array, sampleRate: number, random: Random): void {
  const glide = (low: number, high: number) => [
    low + (high - low) * random.unit(),
    low + (high - low) * random.unit(),
  ];
  const [from = 0, to = 0] = glide(90, 260);
  const formants = [glide(300, 900), glide(900, 2500), glide(2200, 3800)];
  const loud = 0.1 + 0.4 * random.unit();
  let phase = 0;
  for (const index of out.keys()) {
    const share = index / out.length;
    const pitch = from + (to - from) * share;
    phase += (2 * Math.PI * pitch) / sampleRate;
    let sum = 0;
    for (let harmonic = 1; harmonic <= harmonics; harmonic += 1) {
      const hertz = harmonic * pitch;
      if (hertz > sampleRate / 2) break;
      const near = formants.map(([a = 0, b = 0]) => 1 / (1 + ((hertz - a - (b - a) * share) / 120) ** 2));
      sum += Math.sin(harmonic * phase) * near.reduce((all, one) => all + one, 0.02);
    }
    out[index] = loud * Math.sin(Math.PI * share) * Math.max(-1, Math.min(1, sum / 3));
  }
}

function drawNoise(out: Float32Array, random: Random): void {
  const loud = 0.02 + 0.15 * random.unit();
  let before = 0;
  for (const index of out.keys()) {
    const now = 2 * random.unit() - 1;
    // More of the high frequencies, as in fricatives.
    out[index] = loud * (now - 0.6 * before);
    before = now;
  }
}
