/** The encoder at another length than the checkpoint's own, and over several sounds at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AudioGeometry } from '../../../src/architectures/media.ts';
import { qwen2Audio } from '../../../src/architectures/qwen2-audio/qwen2-audio.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { drawSound } from '../../../src/parity/inputs/sound/draw-sounds.ts';
import { logMel } from '../../../src/parity/inputs/sound/log-mel.ts';
import { openSession, type Session } from '../../../src/runtime/session.ts';
import { float32Value, int64Value, toFloat32 } from '../../../src/runtime/values.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { writeComponents } from '../../support/write-models.ts';

interface Encoder {
  readonly audio: AudioGeometry;
  readonly session: Session;
}

let folder: string;
let checkpoint: Checkpoint;
const encoders: Encoder[] = [];
/** Two seconds, as the checkpoint's own, and one. */
const [own, cut] = [0, 1] as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-lengths-'));
  checkpoint = await openCheckpoint(goldenCase('qwen2-audio/tiny').checkpoint);
  for (const audioSeconds of [undefined, 1]) {
    const { components, audio } = qwen2Audio.build(checkpoint, {
      tiling: 'fit',
      loraTiles: 'nearest',
      ...(audioSeconds === undefined ? {} : { audioSeconds }),
    });
    if (audio === undefined) throw new Error('no sounds');
    const encoder = components.filter(({ id }) => id === 'audio_encoder');
    const named = encoder.map((one) => ({ ...one, fileName: `encoder-${audio.seconds}` }));
    const files = await writeComponents(folder, named);
    encoders.push({ audio, session: await openSession(files.audio_encoder ?? '', { device: 'cpu' }) });
  }
});
afterAll(async () => {
  for (const { session } of encoders) await session.release();
  await checkpoint.close();
  await rm(folder, { recursive: true });
});

/** Features of each sound, and how many of them count. */
async function encode(which: number, sounds: readonly Float32Array[]) {
  const encoder = encoders[which];
  if (encoder === undefined) throw new Error('no such encoder');
  const { audio, session } = encoder;
  const { bands, frames } = audio;
  const all = sounds.map((samples) => logMel(samples, audio));
  const features = new Float32Array(all.length * bands * frames);
  for (const [index, one] of all.entries()) features.set(one.features, index * bands * frames);
  const mask = all.flatMap(({ heard }) => Array.from({ length: frames }, (_, at) => (at < heard ? 1 : 0)));
  const outputs = await session.run(
    new Map([
      ['input_features', float32Value([all.length, bands, frames], features)],
      ['feature_attention_mask', int64Value([all.length, frames], mask)],
    ]),
  );
  const lengths = Array.from(outputs.get('audio_lengths')?.data ?? [], Number);
  const rows = outputs.get('audio_features');
  if (rows === undefined) throw new Error('no features');
  const [, count = 0, hidden = 0] = rows.shape;
  const numbers = toFloat32(rows);
  return lengths.map((length, sound) =>
    numbers.slice(sound * count * hidden, (sound * count + length) * hidden),
  );
}

function worst(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined || a.length !== b.length || a.length === 0) return Number.NaN;
  return Math.max(...a.map((value, at) => Math.abs(value - (b[at] ?? Number.NaN))));
}

const sound = (samples: number, seed: number): Float32Array => drawSound(samples, 16000, seed);

describe('a shorter chunk', () => {
  it.each([640, 3333, 8000, 15200])('gives the same features of %i samples', async (samples) => {
    const [long] = await encode(own, [sound(samples, 3)]);
    const [short] = await encode(cut, [sound(samples, 3)]);
    expect(worst(long, short)).toBeLessThan(1e-5);
  });

  it('knows silence behind a sound that fills it from nothing', async () => {
    // The convolutions see zeros behind the chunk, silent frames inside of it.
    const [long] = await encode(own, [sound(16000, 3)]);
    const [short] = await encode(cut, [sound(16000, 3)]);
    expect(worst(long, short)).toBeGreaterThan(1e-3);
    expect(short).toHaveLength(25 * 64);
  });
});

describe('several sounds at once', () => {
  it('are what each is by itself, and as long', async () => {
    const sounds = [32000, 5000, 160 * 101, 160 * 103, 640].map((samples, seed) => sound(samples, seed));
    const together = await encode(own, sounds);
    for (const [index, one] of sounds.entries()) {
      const [alone] = await encode(own, [one]);
      expect(worst(together[index], alone)).toBeLessThan(1e-5);
    }
    // 200, 32, 101, 103 and 4 frames: 100, 16, 51, 52 and 2 positions, of which the last one of 51 has no partner.
    expect(together.map(({ length }) => length / 64)).toEqual([50, 8, 25, 26, 1]);
  });

  it('of no sound have no features', async () => {
    const [none] = await encode(own, [new Float32Array(0)]);
    expect(none).toHaveLength(0);
  });
});
