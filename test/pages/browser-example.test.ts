/** examples/browser as a reader of its README runs it: the page, in a real browser, over a converted model. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { serve } from '../../examples/browser/serve.js';
import { type ConvertOptions, convert } from '../../src/index.ts';
import type { Picture } from '../../src/parity/inputs/picture.ts';
import { noBrowser, openBrowser } from '../support/browser.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { type Recorded, readIo } from '../support/read-io.ts';
import { recordedBytes } from '../support/recorded-picture.ts';

const golden = goldenCase('llava/hf-tiny');
const prompt = 'What is in the picture?';
/** A model that was really trained, to read digits and to say in which cell they are. */
const digits = goldenCase('qwen2-vl/trained-digits');

let folder = '';
let io: Recorded;
let browser: Browser | undefined;
let asked = 0;

beforeAll(async () => {
  if (noBrowser !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'vlm-browser-'));
  io = await readIo(join(golden.folder, 'io.safetensors'));
  const mean = [0.48145466, 0.4578275, 0.40821073];
  const std = [0.26862954, 0.26130258, 0.27577711];
  await writePng(join(folder, 'picture.png'), recordedBytes(io.get('in.pixel_values'), mean, std));
  browser = await openBrowser();
});

async function writePng(path: string, { width, height, rgb }: Picture): Promise<void> {
  const png = new PNG({ width, height });
  for (let i = 0; i < width * height; i += 1) png.data.set([...rgb.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  await writeFile(path, PNG.sync.write(png));
}

afterAll(async () => {
  await browser?.close();
  if (folder !== '') await rm(folder, { recursive: true });
});

beforeEach((context) => context.skip(noBrowser !== undefined, noBrowser));

interface Question {
  readonly picture: string;
  readonly text: string;
  readonly limit: number;
  /** What a model that draws is to draw afterwards. */
  readonly draw?: string;
}

interface Shown {
  readonly answer: string;
  readonly facts: string;
  readonly isolated: boolean;
  /** RGBA of what was drawn. */
  readonly canvas: readonly number[];
  /** Requests that went elsewhere or failed, console errors and exceptions. */
  readonly faults: readonly string[];
}

async function ask(
  options: Partial<ConvertOptions>,
  {
    picture = join(folder, 'picture.png'),
    text = prompt,
    limit,
    draw,
  }: Partial<Question> & { limit: number },
): Promise<Shown> {
  if (browser === undefined) throw new Error('no browser');
  asked += 1;
  const output = join(folder, `out-${asked}`);
  await convert({
    checkpoint: golden.checkpoint,
    output,
    format: 'transformers.js',
    parity: false,
    ...options,
  });
  const { url, close } = await serve(output);
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) faults.push(request.url());
  });
  try {
    await page.goto(url);
    const status = page.locator('#status');
    await status.filter({ hasNotText: 'Loading the model' }).waitFor();
    expect(await status.textContent()).toBe('Ready');
    await page.locator('#picture').setInputFiles(picture);
    await page.locator('#question').fill(text);
    await page.locator('#limit').fill(String(limit));
    await page.locator('#ask').click();
    await status.filter({ hasNotText: /Ready|Thinking/ }).waitFor();
    expect(await status.textContent()).toBe('Done');
    const facts = (await page.locator('#facts').textContent()) ?? '';
    if (draw !== undefined) {
      await page.locator('#question').fill(draw);
      await page.locator('#draw').click();
      await status.filter({ hasNotText: /Thinking/ }).waitFor();
      expect(await status.textContent()).toBe('Done');
    }
    return {
      answer: (await page.locator('#answer').textContent()) ?? '',
      facts,
      canvas: draw === undefined ? [] : await page.evaluate(drawnPixels),
      isolated: await page.evaluate(() => crossOriginIsolated),
      faults,
    };
  } finally {
    await page.close();
    await close();
  }
}

/** In the page. */
function drawnPixels(): number[] {
  const canvas = document.querySelector('canvas');
  const context = canvas?.getContext('2d');
  if (canvas === null || context === null || context === undefined) return [];
  return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
}

describe('the page of examples/browser', () => {
  it("generates the original's tokens on WebAssembly, and asks nobody else for anything", async () => {
    const ids = io.ints('out.decode_ids');
    const { facts, isolated, faults } = await ask({}, { limit: ids.length });
    expect(faults).toEqual([]);
    expect(isolated).toBe(true);
    const prompted = io.ints('in.input_ids').length;
    expect(facts).toBe(`${prompted} tokens in, ${ids.length} out: ${ids.join(' ')}`);
  });

  it('runs int4 files, with the embedding table quantized too', async () => {
    // 96 columns are an even number of blocks of 16: the table is quantized.
    const { facts, faults } = await ask({ precision: 'int4', blockSize: 16 }, { limit: 3 });
    expect(faults).toEqual([]);
    expect(facts).toMatch(/ 3 out: \d+ \d+ \d+$/);
  });
});

describe('a trained model on the page', () => {
  it('reads a picture, asked through its own chat template', async () => {
    const { answer, faults } = await ask(
      { checkpoint: digits.checkpoint, precision: 'int8' },
      { picture: join(digits.folder, 'eval/002.png'), text: 'read', limit: 14 },
    );
    expect(faults).toEqual([]);
    expect(answer).toBe('0105@5,4');
  });
});

describe('a model that draws, on the page', () => {
  const drawing = goldenCase('janus/tiny-hf');

  it("answers with the original's tokens, and draws the original's picture", async () => {
    const recorded = await readIo(join(drawing.folder, 'io.safetensors'));
    const half = [0.5, 0.5, 0.5];
    const { width, height, rgb } = recordedBytes(recorded.get('in.pixel_values'), half, half);
    const path = join(folder, 'janus.png');
    await writePng(path, { width, height, rgb });
    const ids = recorded.ints('out.decode_ids');
    const drawn = PNG.sync.read(await readFile(join(drawing.folder, 'generated0.png')));
    const { facts, faults, canvas } = await ask(
      { checkpoint: drawing.checkpoint },
      {
        picture: path,
        text: 'Describe the picture in one sentence.',
        limit: ids.length,
        draw: 'a red square on a blue field',
      },
    );
    expect(faults).toEqual([]);
    const prompted = recorded.ints('in.input_ids').length;
    expect(facts).toBe(`${prompted} tokens in, ${ids.length} out: ${ids.join(' ')}`);
    expect(canvas).toHaveLength(drawn.data.length);
    const furthest = drawn.data.reduce(
      (most, byte, i) => Math.max(most, Math.abs(byte - (canvas[i] ?? 999))),
      0,
    );
    expect(furthest).toBeLessThanOrEqual(1);
  });
});

describe('its server', () => {
  it('serves its folders, and nothing beside them', async () => {
    const { url, close } = await serve(golden.checkpoint);
    try {
      const status = async (path: string): Promise<number> => (await fetch(new URL(path, url))).status;
      expect(await status('model/config.json')).toBe(200);
      expect(await status('page.js')).toBe(200);
      expect(await status('model/%2e%2e%2fcase.json')).toBe(404);
      expect(await status('%2e%2e/serve.js')).toBe(404);
      expect(await status('model/')).toBe(404);
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    } finally {
      await close();
    }
  });
});
