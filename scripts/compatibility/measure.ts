/**
 * Runs every family, component and precision on every target and client that is here, and writes what it saw:
 * docs/compatibility.json and the tables of docs/models.md. Needs what the tests of test/interop need (VLM_PYTHON with
 * onnxruntime-genai, onnxruntime, pillow, tokenizers and tiktoken) and chromium.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { PNG } from 'pngjs';
import { expect, it } from 'vitest';
import type { Size } from '../../src/architectures/media.ts';
import { architectures } from '../../src/architectures/registry.ts';
import {
  type ConvertOptions,
  convert,
  draw,
  generate,
  type ParityReport,
  VlmError,
} from '../../src/index.ts';
import { drawPicture } from '../../src/parity/inputs/picture.ts';
import { openBrowser } from '../../test/support/browser.ts';
import {
  type ClientCell,
  type Compatibility,
  type Outcome,
  pageFile,
  precisions,
  readRecord,
  recordFile,
  recordText,
  type TargetCell,
  withTables,
} from '../../test/support/compatibility.ts';
import { goldenCase } from '../../test/support/golden-cases.ts';
import { readPicture } from '../../test/support/transformers-js.ts';
import { type Asked, clients, type Family, painters, python, repository, steps } from './clients.ts';

const question = 'What is this?';
const families: readonly Family[] = [
  { id: 'llava', case: 'llava/hf-tiny', size: { width: 56, height: 56 }, text: question },
  { id: 'qwen2-vl', case: 'qwen2-vl/trained-digits', size: { width: 112, height: 84 }, text: 'read' },
  {
    id: 'minicpm-v-2.5',
    case: 'minicpm-v-2.5/tiny-drop-last',
    size: { width: 98, height: 98 },
    text: question,
  },
  {
    id: 'monkey',
    case: 'monkey/tiny-896',
    size: { width: 896, height: 896 },
    text: question,
  },
  {
    id: 'textmonkey',
    case: 'textmonkey/resized-896',
    size: { width: 448, height: 448 },
    text: question,
  },
  { id: 'qwen-vl', case: 'qwen-vl/tiny-long', size: { width: 448, height: 448 }, text: question },
  { id: 'minigpt-v2', case: 'minigpt-v2/tiny', size: { width: 112, height: 112 }, text: question },
  { id: 'vila', case: 'vila/tiny-mlp_downsample', size: { width: 70, height: 70 }, text: question },
  { id: 'qwen2-audio', case: 'qwen2-audio/tiny', sound: 'audio0.wav', text: question },
  {
    id: 'janus',
    case: 'janus/tiny-hf',
    size: { width: 96, height: 96 },
    text: question,
    draw: 'a red square on a blue field',
  },
  { id: 'llama', case: 'peft/llama-layers', text: question },
  { id: 'gpt2', case: 'peft/gpt2-fan-in-fan-out', text: question },
];

/** VLM_FAMILIES: those to run again, with commas between them; the others stay what they were. */
const only = process.env.VLM_FAMILIES?.split(',');
const chosen = families.filter(({ id }) => only?.includes(id) ?? true);

/**
 * VLM_TARGETS: more than the CPU, where there is a GPU. A renderer in software is none: kernels of onnxruntime count on
 * the width of real ones.
 */
const targets = (
  [
    ['cpu', 'onnxruntime, CPU'],
    ['webgpu', 'onnxruntime, WebGPU'],
    ['cuda', 'onnxruntime, CUDA'],
  ] as const
).filter(([device]) => (process.env.VLM_TARGETS ?? 'cpu').split(',').includes(device));

/** Pictures of the same codes differ by the rounding of kernels, those of others by far more. */
const sameColour = 8;

async function paintOutcome(run: () => Promise<Uint8Array>, expected: Uint8Array): Promise<Outcome> {
  return outcomeOf(async () => {
    const rgb = await run();
    const isSame =
      rgb.length === expected.length &&
      rgb.every((byte, i) => Math.abs(byte - (expected[i] ?? 0)) <= sameColour);
    return isSame ? [] : [1];
  }, []);
}

async function writePicture(path: string, { width, height }: Size): Promise<void> {
  const { rgb } = drawPicture(width, height, 7);
  const png = new PNG({ width, height });
  for (let i = 0; i < width * height; i += 1) png.data.set([...rgb.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  await writeFile(path, PNG.sync.write(png));
}

/** The tiny language models have no tokenizer: that of the trained one has few enough tokens for them. */
async function withTokenizer(checkpoint: string, copy: string): Promise<string> {
  await cp(checkpoint, copy, { recursive: true });
  const from = goldenCase('qwen2-vl/trained-digits').checkpoint;
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(join(from, name), join(copy, name));
  return copy;
}

async function outcomeOf(
  run: () => Promise<readonly number[]>,
  expected: readonly number[],
): Promise<Outcome> {
  try {
    const ids = await run();
    return ids.join() === expected.join() ? 'same' : 'other';
  } catch (error) {
    if (error instanceof VlmError && error.code.startsWith('VC45')) return 'refused';
    console.error(error);
    return 'failed';
  }
}

/** The check of a conversion; undefined where a GPU has no float16. */
async function checked(options: ConvertOptions): Promise<ParityReport | undefined> {
  try {
    return (await convert(options)).parity;
  } catch (error) {
    if (error instanceof VlmError && error.record.found?.includes('requires f16')) return undefined;
    throw error;
  }
}

/** What a check says of each component. */
function targetCells(
  report: ParityReport,
  common: { readonly family: string; readonly precision: string; readonly target: string },
): TargetCell[] {
  const converted = (report.placement ?? []).filter(({ build }) => build === 'converted');
  return converted.map(({ component, device, proven, providers }) => {
    const names = {
      cpu: 'CPUExecutionProvider',
      webgpu: 'WebGpuExecutionProvider',
      cuda: 'CUDAExecutionProvider',
    };
    const all = providers.reduce((sum, { nodes }) => sum + nodes, 0);
    const own = providers.find(({ provider }) => provider === names[device])?.nodes ?? 0;
    const gates = report.gates.filter((gate) => gate.component === component);
    return {
      ...common,
      component,
      passed: gates.every(({ passed }) => passed),
      ...(proven ? { nodes: [own, all] as const } : {}),
    };
  });
}

async function versions(): Promise<Readonly<Record<string, string>>> {
  const own = async (name: string): Promise<string> => {
    const home = join(repository, 'node_modules', name, 'package.json');
    return (JSON.parse(await readFile(home, 'utf8')) as { readonly version: string }).version;
  };
  const script =
    "from importlib.metadata import version as v; print(v('onnxruntime'), v('onnxruntime-genai'))";
  const { stdout } = await promisify(execFile)(python, ['-c', script]);
  const [ort = '', genai = ''] = stdout.trim().split(' ');
  return {
    'onnxruntime-node': await own('onnxruntime-node'),
    onnxruntime: `${ort} (Python)`,
    'transformers.js': await own('@huggingface/transformers'),
    'onnxruntime-genai': genai,
  };
}

/** With what stands in the record of the other families, in the order of the families. */
function merged(family: Family, fresh: Compatibility, old: Compatibility): Compatibility {
  const pick = <T extends { readonly family: string }>(from: (record: Compatibility) => readonly T[]): T[] =>
    families.flatMap(({ id }) => from(id === family.id ? fresh : old).filter((cell) => cell.family === id));
  return {
    versions: fresh.versions,
    targets: pick((record) => record.targets),
    clients: pick((record) => record.clients),
  };
}

async function measure(family: Family, folder: string, browser: Browser): Promise<Compatibility> {
  const checks: TargetCell[] = [];
  const cells: ClientCell[] = [];
  const images = family.size === undefined ? [] : [join(folder, `${family.id}.png`)];
  for (const path of images) if (family.size !== undefined) await writePicture(path, family.size);
  const golden = goldenCase(family.case);
  const audios = family.sound === undefined ? [] : [join(golden.folder, family.sound)];
  const isText = family.size === undefined && family.sound === undefined;
  const checkpoint = isText
    ? await withTokenizer(golden.checkpoint, join(folder, family.id))
    : golden.checkpoint;
  for (const precision of precisions) {
    const at = join(folder, `${family.id}-${precision}`);
    for (const [device, target] of targets) {
      const parity = await checked({ checkpoint, output: at, precision, device });
      if (parity !== undefined) checks.push(...targetCells(parity, { family: family.id, precision, target }));
      console.log(family.id, precision, target, parity?.passed);
    }
    const { ids: expected } = await generate({
      output: at,
      images,
      audios,
      prompt: family.text,
      maxTokens: steps,
    });
    const made = new Map([['onnx', at]]);
    const output: Asked['output'] = async (format) => {
      const known = made.get(format);
      if (known !== undefined) return known;
      const path = `${at}-${format}`;
      await convert({ checkpoint, output: path, precision, format, parity: false });
      made.set(format, path);
      return path;
    };
    const asked: Asked = { family, images, audios, output, browser };
    for (const [client, run] of Object.entries(clients)) {
      const outcome = await outcomeOf(() => run(asked), expected);
      cells.push({ family: family.id, client, precision, outcome });
      console.log(family.id, precision, client, outcome);
    }
    if (family.draw === undefined) continue;
    const prompt = family.draw;
    const picture = join(folder, `${family.id}-${precision}-drawn.png`);
    await draw({ output: at, picture, prompt });
    const { rgb } = await readPicture(picture);
    for (const client of Object.keys(clients)) {
      const paint = painters[client];
      const outcome = paint === undefined ? 'refused' : await paintOutcome(() => paint(asked, prompt), rgb);
      cells.push({ family: family.id, task: 'draw', client, precision, outcome });
      console.log(family.id, precision, client, 'draws', outcome);
    }
  }
  expect(cells.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  return { versions: await versions(), targets: checks, clients: cells };
}

it('writes what runs where', async () => {
  expect(families.map(({ id }) => id).sort()).toEqual(architectures.map(({ id }) => id).sort());
  const folder = await mkdtemp(join(tmpdir(), 'vlm-compatibility-'));
  const browser = await openBrowser();
  try {
    for (const family of chosen) {
      const fresh = await measure(family, folder, browser);
      // Minutes have passed: another family may have been written meanwhile.
      const done = merged(family, fresh, readRecord());
      await writeFile(recordFile, recordText(done));
      await writeFile(pageFile, withTables(await readFile(pageFile, 'utf8'), done));
    }
  } finally {
    await browser.close();
    await rm(folder, { recursive: true });
  }
});
