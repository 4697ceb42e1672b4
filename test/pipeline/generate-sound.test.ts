/** Answers about sounds from an output folder alone: from WAV files and text to the ids that the original picks. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert, generate, type Manifest } from '../../src/index.ts';
import { readGeneration } from '../../src/pipeline/generation-schema.ts';
import { silentReporter } from '../../src/report/sinks.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

const golden = goldenCase('qwen2-audio/tiny');
const wav = join(golden.folder, 'audio0.wav');
const prompt = 'What is that sound?';

let root = '';
let output = '';
let short = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-sounds-'));
  output = join(root, 'out');
  short = join(root, 'short');
  await convert({ checkpoint: golden.checkpoint, output, parity: false });
  await convert({ checkpoint: golden.checkpoint, output: short, parity: false, maxAudioSeconds: 1 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('an answer about a sound', () => {
  it('is what the original picks, from the file to the ids', async () => {
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const ids = io.ints('out.decode_ids');
    const found = await generate({ output, audios: [wav], prompt, maxTokens: ids.length });
    expect(found.ids).toEqual(ids);
    expect(found.promptTokens).toBe(io.get('in.input_ids').shape[1]);
    expect(found).toMatchObject({ images: [], sounds: [{ file: wav, seconds: 1.28, tokens: 32 }] });
  });

  it('is about several sounds, each with as many tokens as it is long', async () => {
    const bytes = await readFile(wav);
    const half = Buffer.from(bytes.subarray(0, 44 + 16000));
    half.writeUInt32LE(16000, 40);
    const other = join(root, 'half.wav');
    await writeFile(other, half);
    const one = await generate({ output, audios: [wav], prompt, maxTokens: 1 });
    const two = await generate({ output, audios: [wav, other], prompt, maxTokens: 1 });
    expect(two.sounds.map(({ tokens }) => tokens)).toEqual([32, 12]);
    // `Audio 2: `, the marks around its tokens, and a line break.
    expect(two.promptTokens).toBeGreaterThan(one.promptTokens + 12);
    const marked = '<|audio_bos|><|AUDIO|><|audio_eos|>';
    const asked = await generate({
      output,
      audios: [other, wav],
      prompt: `${marked}${marked}?`,
      maxTokens: 1,
    });
    expect(asked.promptTokens).toBe(12 + 32 + 4 + 1);
  });

  it('hears no more than the graphs were built for, and says so', async () => {
    const warned: string[] = [];
    const reporter = {
      ...silentReporter,
      warn: (all: readonly { code: string }[]) => void warned.push(...all.map(({ code }) => code)),
    };
    const found = await generate({ output: short, audios: [wav], prompt, maxTokens: 1 }, { reporter });
    expect(found.sounds).toMatchObject([{ seconds: 1, tokens: 25 }]);
    expect(warned).toEqual(['VC6112']);
  });

  it.each([
    ['pictures', { images: [wav] }, 'the model takes none'],
    [
      'more marks than sounds',
      { audios: [wav], prompt: '<|AUDIO|> <|AUDIO|>' },
      'places for 2 sounds, and 1 sound given',
    ],
    ['fewer marks than sounds', { audios: [wav, wav], prompt: '<|AUDIO|>' }, 'places for 1 sound'],
    ['a file that is none', { audios: [golden.folder] }, 'VC6109'],
  ])('is refused with %s', async (_what, options, says) => {
    await expect(generate({ output, prompt, ...options })).rejects.toThrow(says);
  });
});

describe('what a manifest says of sounds', () => {
  const manifest = async (): Promise<Manifest> =>
    JSON.parse(await readFile(join(output, 'vlm-convert.json'), 'utf8'));
  type Change = (audio: Record<string, unknown>) => void;

  it.each<[string, Change]>([
    ['a chunk that would be allocated', (audio) => Object.assign(audio, { samples: 2 ** 40 })],
    ['a window beyond reason', (audio) => Object.assign(audio, { window: 2 ** 30 })],
    ['a word that is not known', (audio) => Object.assign(audio, { gain: 2 })],
  ])('is held to what a model can be: %s', async (_what, change) => {
    const own = await manifest();
    const audio = own.generation?.audio as unknown as Record<string, unknown>;
    expect(readGeneration(own, output).audio).toMatchObject({ seconds: 2, tokens: 50 });
    change(audio);
    expect(() => readGeneration(own, output)).toThrow('VC4011');
  });

  it('has to be there where the encoder takes them', async () => {
    const own = await manifest();
    const { audio, ...generation } = own.generation ?? {};
    expect(() => readGeneration({ ...own, generation } as Manifest, output)).toThrow('without geometry');
  });
});
