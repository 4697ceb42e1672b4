/** Log-mel frames of recorded sounds against what the original feature extractor made of them, and of edge cases. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { soundLayout } from '../../../src/architectures/log-mel.ts';
import type { AudioGeometry } from '../../../src/architectures/media.ts';
import { drawSound } from '../../../src/parity/inputs/sound/draw-sounds.ts';
import { logMel } from '../../../src/parity/inputs/sound/log-mel.ts';
import { readWav } from '../../../src/parity/inputs/sound/wav.ts';
import { goldenCases } from '../../support/golden-cases.ts';
import { withBuiltCase } from '../../support/open-case.ts';
import { readIo } from '../../support/read-io.ts';

const cases = goldenCases(['qwen2-audio']);

describe.each(cases)('sounds of $name', (golden) => {
  it('become the recorded features and mask', async () => {
    const audio = await withBuiltCase(golden, async (built) => built.audio);
    if (audio === undefined) throw new Error('no sounds');
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const recorded = io.float32('in.input_features');
    const mask = io.ints('in.feature_attention_mask');
    const { bands, frames } = audio;
    const each = bands * frames;
    expect(recorded.length % each).toBe(0);
    for (let sound = 0; sound < recorded.length / each; sound += 1) {
      const { samples } = await readWav(join(golden.folder, `audio${sound}.wav`), audio.samples);
      const { features, heard } = logMel(samples, audio);
      const own = recorded.subarray(sound * each, (sound + 1) * each);
      const errors = own.map((value, at) => Math.abs(value - (features[at] ?? Number.NaN)));
      // The original transforms in float32: its own noise, which moves from machine to machine.
      expect(errors.reduce((most, error) => Math.max(most, error), 0)).toBeLessThan(1e-4);
      expect(errors.every(Number.isFinite)).toBe(true);
      expect(errors.reduce((sum, error) => sum + error, 0) / each).toBeLessThan(1e-6);
      expect(heard).toBe(mask.slice(sound * frames, (sound + 1) * frames).filter((one) => one === 1).length);
    }
  });
});

function chunkOf(seconds: number): AudioGeometry {
  const [sampleRate, hop] = [16000, 160];
  const frames = (seconds * sampleRate) / hop;
  return {
    ...{ sampleRate, hop, window: 400, bands: 128, highest: 8000, framesPerToken: 4, summary: '' },
    ...{ seconds, samples: seconds * sampleRate, frames, tokens: frames / 4 },
  };
}

describe('a chunk', () => {
  it('of silence is what the floor of the power gives', () => {
    const { features, heard } = logMel(new Float32Array(1600), chunkOf(1));
    expect(heard).toBe(10);
    // (log10(1e-10) + 4) / 4, and nothing is louder.
    expect(new Set(features)).toEqual(new Set([-1.5]));
  });

  it('of another length gives the same frames for a sound that ends before it', () => {
    const sound = drawSound(14000, 16000, 3);
    const [short, long] = [logMel(sound, chunkOf(1)), logMel(sound, chunkOf(4))];
    expect(short.heard).toBe(long.heard);
    for (let band = 0; band < 128; band += 1) {
      expect(short.features.slice(band * 100, band * 100 + 100)).toEqual(
        long.features.slice(band * 400, band * 400 + 100),
      );
    }
  });

  it('mirrors the ends of a sound that fills it', () => {
    const sound = drawSound(16000, 16000, 5);
    const own = logMel(sound, chunkOf(1)).features;
    // With two hops of mirrored samples before it and one behind it, nothing is left to mirror.
    const at = (index: number): number => (index < 0 ? -index : index < 16000 ? index : 2 * 15999 - index);
    const spelled = Float32Array.from(
      { length: 320 + 16000 + 160 },
      (_, index) => sound[at(index - 320)] ?? 0,
    );
    const all = logMel(spelled, chunkOf(2)).features;
    for (let band = 0; band < 128; band += 1) {
      expect(own[band * 100]).toBeCloseTo(all[band * 200 + 2] ?? 0, 6);
      expect(own[band * 100 + 99]).toBeCloseTo(all[band * 200 + 101] ?? 0, 6);
    }
  });

  it('takes no more than it holds', () => {
    expect(() => logMel(new Float32Array(16001), chunkOf(1))).toThrow('16001 samples');
  });
});

it('has as many tokens as the original counts', () => {
  for (let frames = 1; frames <= 3000; frames += 1) {
    const positions = Math.floor((frames - 1) / 2) + 1;
    const { tokens } = soundLayout(frames, chunkOf(30));
    if (tokens !== Math.floor((positions - 2) / 2) + 1)
      throw new Error(`${tokens} tokens of ${frames} frames`);
  }
  expect(soundLayout(103, chunkOf(30))).toMatchObject({ frames: 103, tokens: 26, secondsPerToken: 0.04 });
});
