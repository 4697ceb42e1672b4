/** Answers from an output folder alone: a trained model that reads numbers in pictures, and what is refused. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convert, type GenerateOptions, generate, type Manifest, VlmError } from '../../src/index.ts';
import { readGeneration } from '../../src/pipeline/generation-schema.ts';
import { caseInputs } from '../support/case-inputs.ts';
import { goldenCase, goldenCases } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

const golden = goldenCase('qwen2-vl/trained-digits');
const pictures = join(golden.folder, 'eval');

let root = '';
let output = '';

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-generate-'));
  output = join(root, 'out');
  // A copy that is gone before anything is generated: the output has to suffice.
  const checkpoint = join(root, 'checkpoint');
  await cp(golden.checkpoint, checkpoint, { recursive: true });
  await convert({ checkpoint, output, parity: false });
  await rm(checkpoint, { recursive: true });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const read = (image: string, options: Partial<GenerateOptions> = {}) =>
  generate({ output, images: [join(pictures, image)], prompt: 'read', maxTokens: 14, ...options });

interface VideoJson {
  readonly preprocessing: { readonly videos?: readonly { readonly frames: readonly string[] }[] } | null;
  readonly text: { readonly prompts: readonly string[] };
}

/** Recorded videos, and the text that was asked about them. */
const videos = goldenCases(['qwen2-vl']).flatMap((one) => {
  const { preprocessing, text } = one.json as unknown as VideoJson;
  const [video] = preprocessing?.videos ?? [];
  const [prompt] = text.prompts;
  return video === undefined || prompt === undefined
    ? []
    : [{ name: one.name, golden: one, text: prompt, frames: video.frames }];
});

it('has a recorded video', () => {
  expect(videos.length).toBeGreaterThan(0);
});

describe('the trained model', () => {
  // scripts/read-digits.js reads all of them, in every precision.
  it('answers as the original does, from PNG to text, right or wrong', async () => {
    const answers = JSON.parse(await readFile(join(pictures, 'answers.json'), 'utf8')) as Record<
      string,
      { readonly reference: string }
    >;
    const wrong: string[] = [];
    const asked = Object.entries(answers).filter(([name], index) => index % 6 === 0 || name === '034.png');
    for (const [name, { reference }] of asked) {
      const { text, stopped } = await read(name);
      if (text !== reference || stopped !== 'end') wrong.push(`${name}: ${text}, not ${reference}`);
    }
    expect(wrong).toEqual([]);
    expect(asked.length).toBe(18);
  });

  it('says what it did, and gives the text as it grows', async () => {
    const parts: string[] = [];
    const one = await generate(
      { output, images: [join(pictures, '002.png')], prompt: 'read' },
      { onText: (text) => parts.push(text) },
    );
    expect(one).toMatchObject({
      text: '0105@5,4',
      stopped: 'end',
      promptTokens: 23,
      device: 'cpu',
      images: [{ width: 112, height: 84, tokens: 12 }],
    });
    expect(one.ids.length).toBe(8);
    expect(parts.length).toBe(8);
    expect(parts.join('')).toBe(one.text);
  });

  it('stops at as many tokens as are asked for', async () => {
    expect(await read('002.png', { maxTokens: 4 })).toMatchObject({ text: '0105', stopped: 'length' });
  });

  it('takes a prompt that marks the place itself, and several pictures', async () => {
    const prompt =
      '<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>read<|im_end|>\n<|im_start|>assistant\n';
    expect(await read('002.png', { prompt })).toMatchObject({ text: '0105@5,4' });
    const images = ['002.png', '005.png'].map((name) => join(pictures, name));
    expect(await generate({ output, images, prompt: 'read', maxTokens: 2 })).toMatchObject({
      promptTokens: 23 + 14,
      images: [{ tokens: 12 }, { tokens: 12 }],
    });
  });

  it.each(['transformers.js', 'onnxruntime-genai'] as const)(
    'answers from the folder that %s loads, whatever its files are called',
    async (format) => {
      const folder = join(root, format);
      const { checkpoint } = golden;
      await convert({ checkpoint, output: folder, format, precision: 'fp16', parity: false });
      expect(await read('002.png', { output: folder })).toMatchObject({ text: '0105@5,4' });
    },
  );

  it('answers text alone', async () => {
    const { images, ids } = await generate({ output, prompt: 'read', maxTokens: 3 });
    expect(images).toEqual([]);
    expect(ids.length).toBeGreaterThan(0);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const stopped = generate(
      { output, images: [join(pictures, '002.png')], prompt: 'read' },
      { signal: stop.signal, onText: () => stop.abort() },
    );
    await expect(stopped).rejects.toThrow('VC5190');
  });
});

describe.each(videos)('$name', ({ golden: own, text, frames }) => {
  it('goes on as the original does, from the frames of a video', async () => {
    const folder = join(root, 'video-out');
    await rm(folder, { recursive: true, force: true });
    await convert({ checkpoint: own.checkpoint, output: folder, parity: false });
    const clip = join(root, 'clip');
    await rm(clip, { recursive: true, force: true });
    await mkdir(clip);
    for (const name of frames) await cp(join(own.folder, name), join(clip, name));
    const io = await readIo(join(own.folder, 'io.safetensors'));
    const wanted = io.ints('out.decode_ids');
    const asked = { output: folder, videos: [clip], maxTokens: wanted.length };
    const found = await generate({ ...asked, prompt: text });
    expect(found.ids).toEqual(wanted);
    expect(found.promptTokens).toBe(io.get('in.input_ids').shape[1]);
    expect(found.images).toMatchObject([{ file: clip, views: frames.length / 2 }]);
    // The same in the family's form of chat, which the recorded prompt has.
    const [, question = ''] = /<\|vision_end\|>(.*?)<\|im_end\|>/s.exec(text) ?? [];
    expect((await generate({ ...asked, prompt: question })).promptTokens).toBeGreaterThan(frames.length);

    // Eight frames a second: a second of them, and the rest of the rule is in video-frames.test.ts.
    const fast = await generate({ ...asked, framesPerSecond: 8, prompt: text });
    expect(fast.images).toMatchObject([{ views: 2 }]);
  });
});

describe('refused are', () => {
  const refusal = async (options: Partial<GenerateOptions>): Promise<string> => {
    const failed = generate({ output, prompt: 'read', ...options });
    return failed.then(
      () => 'nothing',
      (error: unknown) => {
        if (error instanceof VlmError) return error.message;
        throw error;
      },
    );
  };

  it('a folder that is no output', async () => {
    expect(await refusal({ output: pictures })).toContain('VC4011');
  });

  it('a picture that is none, and one that the processor would not take', async () => {
    expect(await refusal({ images: [join(pictures, 'answers.json')] })).toContain('VC6109');
    const { PNG } = await import('pngjs');
    const thin = join(root, 'thin.png');
    await writeFile(thin, PNG.sync.write(new PNG({ width: 10, height: 200 })));
    const said = await refusal({ images: [thin] });
    expect(said).toContain('VC6109');
    expect(said).toContain('under 28 pixels');
  });

  it('videos of no frames, of one, of frames of several sizes, and of a model that takes none', async () => {
    const clip = join(root, 'odd-clip');
    await mkdir(clip);
    expect(await refusal({ videos: [clip] })).toContain('0 frames');
    await cp(join(pictures, '002.png'), join(clip, '1.png'));
    expect(await refusal({ videos: [clip] })).toContain('1 frames');
    await cp(join(pictures, '005.png'), join(clip, '2.png'));
    expect(await refusal({ videos: [clip] })).toContain('frames of one size');
    expect(await refusal({ videos: [join(root, 'nowhere')] })).toContain('a folder of frames');
    const still = join(root, 'still');
    await convert({ checkpoint: goldenCase('llava/hf-tiny').checkpoint, output: still, parity: false });
    expect(await refusal({ output: still, videos: [clip] })).toContain('takes none');
  });

  it('more places than pictures', async () => {
    const prompt = '<|image_pad|> and <|image_pad|>';
    expect(await refusal({ prompt, images: [join(pictures, '002.png')] })).toContain('places for 2 pictures');
  });

  it.each<[string, (generation: Record<string, unknown>) => unknown, string]>([
    ['none', () => undefined, 'does not say'],
    [
      'files outside the folder',
      (own) => ({ ...own, components: { ...(own.components as object), embed: '../embed.onnx' } }),
      'generation.components.embed',
    ],
    [
      'a picture of any size',
      (own) => ({ ...own, image: { ...(own.image as object), input: { width: 1e9, height: 1e9 } } }),
      'generation.image.input.width',
    ],
    [
      'a picture that is enlarged without end',
      (own) => {
        const recipe = own.recipe as { encoder: { feed: object } };
        const feed = { ...recipe.encoder.feed, minPixels: 2 ** 39 };
        return { ...own, recipe: { ...recipe, encoder: { ...recipe.encoder, feed } } };
      },
      'generation.recipe.encoder.feed.minPixels',
    ],
    [
      'layers without end',
      (own) => {
        const recipe = own.recipe as { decoder: object };
        return { ...own, recipe: { ...recipe, decoder: { ...recipe.decoder, layers: 1e9 } } };
      },
      'generation.recipe.decoder.layers',
    ],
    ['keys that mean nothing here', (own) => ({ ...own, run: 'rm -rf' }), 'run'],
  ])('manifests with %s', async (_what, change, says) => {
    const copy = join(root, 'changed');
    await rm(copy, { recursive: true, force: true });
    await cp(output, copy, { recursive: true });
    const path = join(copy, 'vlm-convert.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
    const generation = change({ ...manifest.generation });
    await writeFile(path, JSON.stringify({ ...manifest, generation }));
    const said = await refusal({ output: copy });
    expect(said).toContain('VC4011');
    expect(said).toContain(says);
  });
});

const pictureFamilies = ['janus', 'llava', 'minicpm-v-2.5', 'minigpt-v2', 'monkey', 'qwen-vl', 'qwen2-vl'];

/** Cases of every family that takes pictures, each with its pictures and the text that its tokenizer was given. */
const families = goldenCases(pictureFamilies).flatMap((one) => {
  const { prompt, prompts = prompt } = one.json.text as Prompts;
  const [text, ...more] = typeof prompts === 'string' ? [prompts] : (prompts ?? []);
  const images = ['image.png', 'image0.png', 'image1.png', 'image2.png']
    .map((name) => join(one.folder, name))
    .filter((path) => existsSync(path));
  const takesOwnSize = one.json.resolution?.from !== 'override';
  const fits = text !== undefined && more.length === 0 && images.length > 0 && takesOwnSize;
  return fits ? [{ name: one.name, golden: one, text, images }] : [];
});

interface Prompts {
  readonly prompt?: string | readonly string[];
  readonly prompts?: readonly string[];
}

it('has a case of every family', () => {
  const found = new Set(families.map(({ golden: { family } }) => family));
  expect([...found].sort()).toEqual(pictureFamilies);
});

describe.each(families)('$name', ({ name, golden: own, text, images }) => {
  it('goes on as the original does, from pictures and words to tokens', async () => {
    const folder = join(root, name.replace('/', '-'));
    await convert({ checkpoint: own.checkpoint, output: folder, parity: false });
    const manifest = JSON.parse(await readFile(join(folder, 'vlm-convert.json'), 'utf8')) as Manifest;
    const generation = readGeneration(manifest, folder);
    expect(generation).toEqual(manifest.generation);
    const graphs = (await readdir(join(folder, 'onnx'))).filter((file) => file.endsWith('.onnx'));
    expect(Object.values(generation.components).sort()).toEqual(graphs.map((file) => `onnx/${file}`).sort());

    const io = await readIo(join(own.folder, 'io.safetensors'));
    const recorded = io.ints('out.decode_ids');
    const end = recorded.findIndex((id) => generation.stopIds.includes(id));
    const wanted = end === -1 ? recorded : recorded.slice(0, end);
    const found = await generate({ output: folder, images, prompt: text, maxTokens: recorded.length });
    const { inputIds } = caseInputs(own, io, generation.recipe.splice);
    expect(found.promptTokens).toBe(inputIds.shape[1]);
    expect(found.ids).toEqual(wanted);
    expect(wanted.length).toBeGreaterThan(2);
  });
});
