/**
 * The examples for plain onnxruntime, on an output of every family: in TypeScript and in Python they generate what
 * `vlm-convert run` does. Python needs onnxruntime, numpy, pillow, tokenizers and tiktoken; VLM_PYTHON names another
 * interpreter than python3.
 */
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { draw } from '../../examples/node/draw.ts';
import { generate as example } from '../../examples/node/generate.ts';
import { convert, generate } from '../../src/index.ts';
import { drawPicture } from '../../src/parity/inputs/picture.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

const scripts = resolve(import.meta.dirname, '../../examples/python');
const python = process.env.VLM_PYTHON ?? 'python3';

const noPython: string | undefined = (() => {
  const { status, error } = spawnSync(python, ['-c', 'import numpy, onnxruntime, PIL, tokenizers, tiktoken']);
  if (error !== undefined) return `${python}: ${error.message}`;
  return status === 0 ? undefined : `${python} lacks onnxruntime, numpy, pillow, tokenizers or tiktoken`;
})();

/** What a question is about: a picture, a sound of the case, or nothing. */
type Medium = { readonly width: number; readonly height: number } | 'sound' | undefined;

/** Of each family: a case, and a picture that its preprocessing does not resize, for resizers differ. */
const families: readonly (readonly [string, Medium])[] = [
  ['llava/hf-tiny', { width: 56, height: 56 }],
  ['monkey/tiny-896', { width: 896, height: 896 }],
  ['textmonkey/resized-896', { width: 448, height: 448 }],
  ['qwen-vl/tiny-long', { width: 448, height: 448 }],
  ['qwen2-vl/tiny-two-images', { width: 112, height: 84 }],
  ['minicpm-v-2.5/tiny-drop-last', { width: 98, height: 98 }],
  ['minigpt-v2/tiny', { width: 112, height: 112 }],
  ['janus/tiny-hf', { width: 96, height: 96 }],
  ['janus/tiny-generate', { width: 96, height: 96 }],
  ['qwen2-audio/tiny', 'sound'],
  ['vila/tiny-mlp_downsample', { width: 70, height: 70 }],
  ['vila/tiny-mlp_downsample_3x3_fix', { width: 70, height: 70 }],
  ['vila/nvila-dynamic_s2', { width: 84, height: 84 }],
  // Text alone.
  ['llava/hf-tiny', undefined],
];

const text = 'What is this?';
const steps = 5;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-examples-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function writePicture(width: number, height: number): Promise<string> {
  const path = join(folder, `${width}x${height}.png`);
  const { rgb } = drawPicture(width, height, 7);
  const png = new PNG({ width, height });
  for (let i = 0; i < width * height; i += 1) png.data.set([...rgb.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  await writeFile(path, PNG.sync.write(png));
  return path;
}

/** Files, by the option that they are given with. */
interface Media {
  readonly images: readonly string[];
  readonly audios: readonly string[];
}

const files = ({ images, audios }: Media): readonly string[] => [...images, ...audios];

const ask = async (output: string, media: Media): Promise<readonly number[]> =>
  (await generate({ output, ...media, prompt: text, maxTokens: steps })).ids;

async function runPython(name: string, ...args: readonly string[]): Promise<number[]> {
  const { stdout } = await promisify(execFile)(python, [join(scripts, name), ...args]);
  return stdout
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(Number);
}

const askPython = (output: string, { images, audios }: Media): Promise<number[]> =>
  runPython(
    'generate.py',
    output,
    '--prompt',
    text,
    '--ids',
    ...['--max-tokens', String(steps)],
    ...images.flatMap((path) => ['--image', path]),
    ...audios.flatMap((path) => ['--audio', path]),
  );

describe.each(families)('%s, %o', (name, medium) => {
  let output = '';
  let media: Media = { images: [], audios: [] };
  beforeAll(async () => {
    const { checkpoint, folder: home } = goldenCase(name);
    output = join(folder, `${name.replaceAll('/', '-')}-${typeof medium}`);
    await convert({ checkpoint, output, parity: false });
    media = {
      images: typeof medium === 'object' ? [await writePicture(medium.width, medium.height)] : [],
      audios: medium === 'sound' ? [join(home, 'audio0.wav')] : [],
    };
  });

  it('is run by the example in TypeScript', async () => {
    const found: number[] = [];
    for await (const { id } of example(output, text, files(media), steps)) found.push(id);
    expect(found.length).toBeGreaterThan(0);
    expect(found).toEqual(await ask(output, media));
  });

  it('is run by the example in Python, pictures resized', async ({ skip }) => {
    skip(noPython !== undefined, noPython);
    const resized = { ...media, images: [...media.images, await writePicture(150, 211)] };
    for (const given of typeof medium === 'object' ? [media, resized] : [media]) {
      expect(await askPython(output, given)).toEqual(await ask(output, given));
    }
  });
});

describe('pictures that are drawn', () => {
  it.each(['janus/tiny-hf', 'janus/tiny-generate'])("are the original's: %s", async (name) => {
    const golden = goldenCase(name);
    const output = join(folder, `${name.replaceAll('/', '-')}-drawn`);
    await convert({ checkpoint: golden.checkpoint, output, parity: false });
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const prompt = 'a red square on a blue field';
    const recorded = readdirSync(golden.folder).find((file) => file.startsWith('generated')) ?? '';
    const { width, height, data } = PNG.sync.read(await readFile(join(golden.folder, recorded)));
    const expected = Array.from(
      { length: 3 * width * height },
      (_, i) => data[4 * Math.floor(i / 3) + (i % 3)],
    );
    const furthest = (rgb: ArrayLike<number>): number =>
      expected.reduce<number>((most, byte, i) => Math.max(most, Math.abs((byte ?? 0) - (rgb[i] ?? 999))), 0);

    const drawn = await draw(output, prompt);
    expect(drawn.codes).toEqual(io.ints('out.gen_ids'));
    expect([drawn.width, drawn.height]).toEqual([width, height]);
    expect(furthest(drawn.rgb)).toBeLessThanOrEqual(1);

    if (noPython !== undefined) return;
    const out = join(folder, 'drawn.png');
    expect(await runPython('draw.py', output, '--prompt', prompt, '--out', out, '--codes')).toEqual(
      drawn.codes,
    );
    const own = PNG.sync.read(await readFile(out));
    expect(
      furthest(expected.map((_, i) => own.data[4 * Math.floor(i / 3) + (i % 3)] ?? 999)),
    ).toBeLessThanOrEqual(1);
  });
});

describe('pictures whose views are padded to each other', () => {
  let output = '';
  let media: Media = { images: [], audios: [] };
  beforeAll(async () => {
    const checkpoint = join(folder, 'padded');
    await cp(goldenCase('minicpm-v-2.5/tiny-drop-last').checkpoint, checkpoint, { recursive: true });
    const path = join(checkpoint, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...config, batch_vision_input: true }));
    output = join(folder, 'padded-out');
    await convert({ checkpoint, output, parity: false });
    // Views of 49 and 48 patches, and no resizing.
    media = { images: [await writePicture(98, 98), await writePicture(84, 112)], audios: [] };
  });

  it('go in one call in TypeScript', async () => {
    const found: number[] = [];
    for await (const { id } of example(output, text, media.images, steps)) found.push(id);
    expect(found).toEqual(await ask(output, media));
  });

  it('go in one call in Python', async ({ skip }) => {
    skip(noPython !== undefined, noPython);
    expect(await askPython(output, media)).toEqual(await ask(output, media));
  });
});
