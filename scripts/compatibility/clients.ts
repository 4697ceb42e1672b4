/**
 * The clients of docs/models.md's table: how each is asked about a picture or a sound, and for a picture. They take an output
 * folder in their own format and give what they generate.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { serve } from '../../examples/browser/serve.js';
import { draw as drawExample } from '../../examples/node/draw.ts';
import { generate as example } from '../../examples/node/generate.ts';
import type { Size } from '../../src/architectures/media.ts';
import type { ConvertOptions } from '../../src/index.ts';
import { openClient, readPicture, generate as transformers } from '../../test/support/transformers-js.ts';
import { answer, draw as drawClient, openJanus } from '../../test/support/transformers-js-janus.ts';

export const repository = resolve(import.meta.dirname, '../..');
export const python = process.env.VLM_PYTHON ?? 'python3';
/** Tokens of an answer. */
export const steps = 6;

export interface Family {
  /** Our architecture's id. */
  readonly id: string;
  readonly case: string;
  /** A picture that no client resizes. */
  readonly size?: Size;
  /** Of a model that takes sounds: the case's own. */
  readonly sound?: string;
  readonly text: string;
  /** What a model that draws is asked for. */
  readonly draw?: string;
}

/** A conversion, and what it is asked. */
export interface Asked {
  readonly family: Family;
  readonly images: readonly string[];
  readonly audios: readonly string[];
  /** Converts for a client. */
  readonly output: (format: NonNullable<ConvertOptions['format']>) => Promise<string>;
  readonly browser: Browser;
}

const node = 'onnxruntime-node (examples/node)';
const pythonRuntime = 'onnxruntime, Python (examples/python)';
const nodeClient = 'transformers.js, Node';
const browserClient = 'transformers.js, browser (WebAssembly)';

/** The ids that a client generates. */
export const clients: Readonly<Record<string, (asked: Asked) => Promise<readonly number[]>>> = {
  [node]: async ({ output, family, images, audios }) => {
    const ids: number[] = [];
    const files = [...images, ...audios];
    for await (const { id } of example(await output('onnx'), family.text, files, steps)) ids.push(id);
    return ids;
  },
  [pythonRuntime]: async ({ output, family, images, audios }) => {
    const given = [
      ...images.flatMap((path) => ['--image', path]),
      ...audios.flatMap((path) => ['--audio', path]),
    ];
    const flags = ['--prompt', family.text, '--max-tokens', String(steps), '--ids', ...given];
    return runPython('examples/python/generate.py', await output('onnx'), ...flags);
  },
  [nodeClient]: async ({ output, family, images: [path = ''] }) => {
    const folder = await output('transformers.js');
    if (family.draw !== undefined) {
      const content = `<image_placeholder>\n${family.text}`;
      const own = await answer(await openJanus(folder), await readPicture(path), content, steps);
      const ends = await stopIds(folder);
      return own.ids.filter((id) => !ends.includes(id));
    }
    const order = family.id === 'llava' ? 'picture first' : 'text first';
    const picture = await readPicture(path);
    const { ids } = await transformers(await openClient(folder), picture, await promptOf(folder, family), {
      order,
      steps,
    });
    const stops = await stopIds(folder);
    return ids.filter((id) => !stops.includes(id));
  },
  [browserClient]: async ({ output, family, images: [path = ''], browser }) => {
    const folder = await output('transformers.js');
    return withPage(folder, browser, async (page) => {
      await page.locator('#picture').setInputFiles(path);
      await page.locator('#question').fill(family.text);
      await page.locator('#limit').fill(String(steps));
      await page.locator('#ask').click();
      await page.locator('#status').filter({ hasText: 'Done' }).waitFor();
      const [, ids = ''] = ((await page.locator('#facts').textContent()) ?? '').split(': ');
      const stops = await stopIds(folder);
      return numbers(ids).filter((id) => !stops.includes(id));
    });
  },
  'onnxruntime-genai, Python': async ({ output, family, images, audios }) => {
    const folder = await output('onnxruntime-genai');
    const stops = await stopIds(folder);
    const ids = await runPython(
      'scripts/compatibility/genai.py',
      folder,
      family.text,
      String(steps),
      ...images,
      ...audios,
    );
    return ids.filter((id) => !stops.includes(id));
  },
};

/** The bytes of the pictures that clients draw, RGB; the others do not draw. */
export const painters: Readonly<Record<string, (asked: Asked, text: string) => Promise<Uint8Array>>> = {
  [node]: async ({ output }, text) => (await drawExample(await output('onnx'), text)).rgb,
  [pythonRuntime]: async ({ output, family }, text) => {
    const folder = await output('onnx');
    const path = join(dirname(folder), `${family.id}-python.png`);
    await runPython('examples/python/draw.py', folder, '--prompt', text, '--out', path);
    return (await readPicture(path)).rgb;
  },
  [nodeClient]: async ({ output }, text) => {
    const folder = await output('transformers.js');
    const { pictures } = (await manifestOf(folder)).generation.recipe;
    if (pictures === undefined) throw new Error('a model that draws nothing');
    const { grid, guidance } = pictures;
    const client = await openJanus(folder);
    return (await drawClient(client, text, { codes: grid.rows * grid.columns, guidance })).picture.rgb;
  },
  [browserClient]: async ({ output, browser }, text) => {
    const folder = await output('transformers.js');
    return withPage(folder, browser, async (page) => {
      await page.locator('#question').fill(text);
      await page.locator('#draw').click();
      await page.locator('#status').filter({ hasText: 'Done' }).waitFor();
      const png = await page.locator('#drawn').evaluate((canvas) => (canvas as Canvas).toDataURL());
      const { data } = PNG.sync.read(Buffer.from(png.split(',')[1] ?? '', 'base64'));
      return data.filter((_, at) => at % 4 !== 3);
    });
  },
};

/** What is used of a page's element; these scripts know no DOM. */
interface Canvas {
  toDataURL(): string;
}

/** The example's page over a folder. */
async function withPage<T>(folder: string, browser: Browser, use: (page: Page) => Promise<T>): Promise<T> {
  const { url, close } = await serve(folder);
  const page = await browser.newPage();
  try {
    await page.goto(url);
    await page.locator('#status').filter({ hasText: 'Ready' }).waitFor();
    return await use(page);
  } finally {
    await page.close();
    await close();
  }
}

async function runPython(script: string, ...args: readonly string[]): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)(python, [join(repository, script), ...args]);
  return numbers(stdout);
}

const numbers = (text: string): number[] =>
  text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(Number);

interface Manifest {
  readonly generation: {
    readonly stopIds: readonly number[];
    readonly recipe: {
      readonly prompt?: { readonly picture: string; readonly withPicture: string };
      readonly pictures?: {
        readonly grid: { readonly rows: number; readonly columns: number };
        readonly guidance: number;
      };
    };
  };
}

async function manifestOf(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'vlm-convert.json'), 'utf8')) as Manifest;
}

const stopIds = async (folder: string): Promise<readonly number[]> =>
  (await manifestOf(folder)).generation.stopIds;

async function promptOf(folder: string, { text }: Family): Promise<string> {
  const form = (await manifestOf(folder)).generation.recipe.prompt;
  return (form?.withPicture ?? '{text}').replace('{picture}', form?.picture ?? '').replace('{text}', text);
}
