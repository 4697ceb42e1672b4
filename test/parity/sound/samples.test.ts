/** Sounds of a check: drawn, recorded, and as a user gives them, with the prompts that are about them. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import { llava } from '../../../src/architectures/llava/llava.ts';
import { qwen2Audio } from '../../../src/architectures/qwen2-audio/qwen2-audio.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { recordedSample } from '../../../src/parity/inputs/recorded.ts';
import { drawSample, type Sample } from '../../../src/parity/inputs/sample.ts';
import { readSamples } from '../../../src/parity/inputs/samples.ts';
import { cutSounds } from '../../../src/parity/inputs/sound/read-sound.ts';
import { summariseSample } from '../../../src/parity/inputs/summary.ts';
import { positionPlace } from '../../../src/parity/places.ts';
import { int64Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { type Recorded, readIo } from '../../support/read-io.ts';

const golden = goldenCase('qwen2-audio/tiny');
const wav = join(golden.folder, 'audio0.wav');
const options = { tiling: 'fit', loraTiles: 'nearest' } as const;

let io: Recorded;
let built: BuiltModel;
let short: BuiltModel;
let pictures: BuiltModel;
let checkpoint: { readonly path: string; readonly files: readonly string[] };
beforeAll(async () => {
  io = await readIo(join(golden.folder, 'io.safetensors'));
  const opened = await openCheckpoint(golden.checkpoint);
  checkpoint = { path: opened.path, files: opened.files };
  built = qwen2Audio.build(opened, options);
  short = qwen2Audio.build(opened, { ...options, audioSeconds: 1 });
  const other = await openCheckpoint(goldenCase('llava/hf-tiny').checkpoint);
  pictures = llava.build(other, options);
  await Promise.all([opened.close(), other.close()]);
});

const modelOf = ({ recipe, image, audio }: BuiltModel) => ({ recipe, image, audio });

describe('drawn sounds', () => {
  const draw = (seed: number): Sample => drawSample(built.recipe, built.audio, seed);

  it('are two of different lengths, which every prompt shape shows', () => {
    const { media, prompts } = draw(3);
    expect(media.map(({ kind, layout }) => [kind, layout.tokens])).toEqual([
      ['audio', 41],
      ['audio', 18],
    ]);
    expect(media[0]?.layout).toEqual({ frames: 166, tokens: 41, rows: 50, secondsPerToken: 0.04 });
    expect(prompts.map(({ spans }) => spans.map(({ count, media: of }) => [of, count]))).toEqual([
      [[1, 18]],
      [[0, 41]],
      [],
    ]);
    const [first] = prompts;
    const places = [0, 17, 18].map((position) => first && positionPlace(0, first, position));
    expect(places).toEqual(
      ['sound', 'sound', 'text'].map((what, at) => `prompt 0, position ${[0, 17, 18][at]} (${what})`),
    );
    expect(draw(3)).toEqual({ media, prompts, seed: 3, source: 'drawn' });
    expect(draw(4).media[0]?.sha256).not.toBe(media[0]?.sha256);
  });

  it('are told by their frames in the report', () => {
    const sample = draw(3);
    const { sounds, picture } = summariseSample(sample, built.audio, 8, 'picked', built.recipe);
    expect(picture).toBeUndefined();
    expect(sounds?.map(({ frames, tokens }) => [frames, tokens])).toEqual([
      [166, 41],
      [74, 18],
    ]);
  });
});

describe('recorded sounds', () => {
  const values = (changes: Readonly<Record<string, RunTensor | undefined>> = {}) => {
    const names = ['input_features', 'feature_attention_mask', 'input_ids', 'attention_mask'];
    const all = { ...Object.fromEntries(names.map((name) => [name, io.get(`in.${name}`)])), ...changes };
    return new Map(
      Object.entries(all).filter((entry): entry is [string, RunTensor] => entry[1] !== undefined),
    );
  };

  it('stand where the recorded prompt has them', () => {
    const { media, prompts } = recordedSample(values(), modelOf(built), 1, 'io');
    expect(media).toHaveLength(1);
    expect(media[0]?.layout).toMatchObject({ frames: 128, tokens: 32 });
    expect(prompts[0]?.spans).toEqual([{ first: 25, count: 32, media: 0, heard: true }]);
  });

  it.each<[string, () => ReadonlyMap<string, RunTensor>, () => BuiltModel, string]>([
    ['longer than the graphs take', () => values(), () => short, 'at most 100'],
    ['without a mask', () => values({ feature_attention_mask: undefined }), () => built, '[1,200]'],
    [
      'with gaps',
      () => {
        const gap = io.ints('in.feature_attention_mask').map((one, at) => (at === 7 ? 0 : one));
        return values({ feature_attention_mask: int64Value([1, 200], gap) });
      },
      () => built,
      'ones, and zeros behind them',
    ],
    ['of pictures', () => values(), () => pictures, 'the model takes no sounds'],
    [
      'with another number of places',
      () => values({ input_ids: int64Value([1, 4], [1, 333, 333, 2]), attention_mask: undefined }),
      () => built,
      '32, as many as the graphs give for 128 frames of sound',
    ],
  ])('%s are refused', (_what, made, model, says) => {
    const take = () => recordedSample(made(), modelOf(model()), 1, 'io');
    expect(take).toThrow('VC6109');
    expect(take).toThrow(says);
  });
});

describe('a folder of sounds', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vlm-sounds-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A copy of the recorded sound with other bytes in its header, or with less or more sound in it. */
  const altered = async (name: string, change: (bytes: Buffer) => Buffer): Promise<void> => {
    await writeFile(join(folder, name), change(await readFile(wav)));
  };
  const ofSamples = (count: number) => (bytes: Buffer) => {
    const sound = Buffer.alloc(2 * count, bytes.subarray(44));
    const header = Buffer.from(bytes.subarray(0, 44));
    header.writeUInt32LE(sound.length, 40);
    return Buffer.concat([header, sound]);
  };
  const read = (model = built) => readSamples({ folder, checkpoint, ...modelOf(model), seed: 1 });

  it('gives the recorded ids and features, a prompt of two sounds, and what is longer is cut', async () => {
    await copyFile(wav, join(folder, 'a.wav'));
    await writeFile(join(folder, 'a.txt'), 'What is that sound?\n');
    await altered('b.wav', ofSamples(8000));
    await altered('c.wav', ofSamples(40000));
    const mark = '<|audio_bos|><|AUDIO|><|audio_eos|>';
    await writeFile(join(folder, 'b.txt'), `${mark} and ${mark}: which is longer?`);
    await writeFile(join(folder, 'c.txt'), 'And this?');
    const { media, prompts } = await read();
    expect(media.map(({ layout }) => layout.tokens)).toEqual([32, 12, 50]);
    expect(prompts[0]?.ids).toEqual(io.ints('in.input_ids'));
    const features = media[0]?.feeds.get('input_features');
    const recorded = io.float32('in.input_features');
    const errors = features && toFloat32(features).map((value, at) => Math.abs(value - (recorded[at] ?? 9)));
    expect(Math.max(...(errors ?? [9]))).toBeLessThan(1e-4);
    expect(prompts[1]?.spans.map(({ count, media: of }) => [of, count])).toEqual([
      [1, 12],
      [2, 50],
    ]);
    expect(cutSounds(media, built.audio)).toMatchObject([
      {
        code: 'VC6112',
        where: 'c.wav',
        found: '2.5 s',
        expected: 'at most 2 s: the last 0.5 s are left out',
      },
    ]);
  });

  it.each<[string, (bytes: Buffer) => Buffer, string]>([
    [
      'at another rate',
      (bytes) => {
        bytes.writeUInt32LE(44100, 24);
        return bytes;
      },
      'ffmpeg -i d.wav -ac 1 -ar 16000',
    ],
    ['too short for a token', ofSamples(320), 'enough of them for a token'],
  ])('refuses one %s', async (_what, change, says) => {
    await altered('d.wav', change);
    await expect(read()).rejects.toThrow('VC6109');
    await expect(read()).rejects.toThrow(says);
    await rm(join(folder, 'd.wav'));
  });

  it('is none for a model that takes pictures', async () => {
    await expect(read(pictures)).rejects.toThrow('the model takes none');
  });
});
