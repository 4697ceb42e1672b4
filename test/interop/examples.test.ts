/**
 * The examples for plain onnxruntime, on an output of every family: in TypeScript and in Python they generate what
 * `vlm-convert run` does. Python needs onnxruntime, numpy, pillow, tokenizers and tiktoken; VLM_PYTHON names another
 * interpreter than python3.
 */
import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate as example } from '../../examples/node/generate.ts';
import { convert, generate } from '../../src/index.ts';
import { drawPicture } from '../../src/parity/inputs/picture.ts';
import { goldenCase } from '../support/golden-cases.ts';

const script = resolve(import.meta.dirname, '../../examples/python/generate.py');
const python = process.env.VLM_PYTHON ?? 'python3';

const noPython: string | undefined = (() => {
  const { status, error } = spawnSync(python, ['-c', 'import numpy, onnxruntime, PIL, tokenizers, tiktoken']);
  if (error !== undefined) return `${python}: ${error.message}`;
  return status === 0 ? undefined : `${python} lacks onnxruntime, numpy, pillow, tokenizers or tiktoken`;
})();

/** Of each family: a case, and a picture that its preprocessing does not resize, for resizers differ. */
const families: readonly (readonly [
  string,
  { readonly width: number; readonly height: number } | undefined,
])[] = [
  ['llava/hf-tiny', { width: 56, height: 56 }],
  ['monkey/tiny-896', { width: 896, height: 896 }],
  ['qwen-vl/tiny-long', { width: 448, height: 448 }],
  ['qwen2-vl/tiny-two-images', { width: 112, height: 84 }],
  ['minicpm-v-2.5/tiny-drop-last', { width: 98, height: 98 }],
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

const ask = async (output: string, images: readonly string[]): Promise<readonly number[]> =>
  (await generate({ output, images, prompt: text, maxTokens: steps })).ids;

async function askPython(output: string, images: readonly string[]): Promise<number[]> {
  const pictures = images.flatMap((path) => ['--image', path]);
  const limit = ['--max-tokens', String(steps)];
  const { stdout } = await promisify(execFile)(python, [
    script,
    output,
    '--prompt',
    text,
    ...pictures,
    ...limit,
    '--ids',
  ]);
  return stdout
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(Number);
}

describe.each(families)('%s, %o', (name, size) => {
  let output = '';
  let pictures: readonly string[] = [];
  beforeAll(async () => {
    output = join(folder, `${name.replaceAll('/', '-')}-${size === undefined ? 'text' : 'picture'}`);
    await convert({ checkpoint: goldenCase(name).checkpoint, output, parity: false });
    pictures = size === undefined ? [] : [await writePicture(size.width, size.height)];
  });

  it('is run by the example in TypeScript', async () => {
    const found: number[] = [];
    for await (const { id } of example(output, text, pictures, steps)) found.push(id);
    expect(found.length).toBeGreaterThan(0);
    expect(found).toEqual(await ask(output, pictures));
  });

  it('is run by the example in Python, pictures resized', async ({ skip }) => {
    skip(noPython !== undefined, noPython);
    const other = size === undefined ? [] : [...pictures, await writePicture(150, 211)];
    for (const images of size === undefined ? [[]] : [pictures, other]) {
      expect(await askPython(output, images)).toEqual(await ask(output, images));
    }
  });
});

describe('pictures whose views are padded to each other', () => {
  let output = '';
  let images: readonly string[] = [];
  beforeAll(async () => {
    const checkpoint = join(folder, 'padded');
    await cp(goldenCase('minicpm-v-2.5/tiny-drop-last').checkpoint, checkpoint, { recursive: true });
    const path = join(checkpoint, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...config, batch_vision_input: true }));
    output = join(folder, 'padded-out');
    await convert({ checkpoint, output, parity: false });
    // Views of 49 and 48 patches, and no resizing.
    images = [await writePicture(98, 98), await writePicture(84, 112)];
  });

  it('go in one call in TypeScript', async () => {
    const found: number[] = [];
    for await (const { id } of example(output, text, images, steps)) found.push(id);
    expect(found).toEqual(await ask(output, images));
  });

  it('go in one call in Python', async ({ skip }) => {
    skip(noPython !== undefined, noPython);
    expect(await askPython(output, images)).toEqual(await ask(output, images));
  });
});
