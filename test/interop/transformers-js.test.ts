/**
 * The real transformers.js, offline, loads folders that we write for it, prepares a picture with its own processor and
 * generates. In fp32 the tokens are those of the original implementation; in other precisions those that the same
 * files give without transformers.js.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Size } from '../../src/architectures/media.ts';
import { convert, type Precision } from '../../src/index.ts';
import type { Picture } from '../../src/parity/inputs/picture.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { withRecipe } from '../golden/convert-case.ts';
import { caseInputs } from '../support/case-inputs.ts';
import { type GoldenCase, goldenCase } from '../support/golden-cases.ts';
import { type Recorded, readIo } from '../support/read-io.ts';
import { recordedBytes } from '../support/recorded-picture.ts';
import { runRecipe } from '../support/run-recipe.ts';
import { generate, openClient, readPicture } from '../support/transformers-js.ts';

const golden = goldenCase('llava/hf-tiny');
const clip = { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] };

let folder = '';
let io: Recorded;
let picture: Picture;
let prompt = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-transformers-js-'));
  io = await readIo(join(golden.folder, 'io.safetensors'));
  picture = recordedBytes(io.get('in.pixel_values'), clip.mean, clip.std);
  prompt = promptOf(golden);
});
afterAll(() => rm(folder, { recursive: true }));

function promptOf({ json }: GoldenCase): string {
  const { prompts = [] } = json.text as { readonly prompts?: readonly string[] };
  const [first] = prompts;
  if (first === undefined) throw new Error('a case without a prompt');
  return first;
}

async function converted(
  name: string,
  precision: Precision | Readonly<Record<string, Precision>>,
  resolution?: Size,
): Promise<string> {
  const output = join(folder, name);
  const { checkpoint } = golden;
  await convert({ checkpoint, output, format: 'transformers.js', precision, resolution, parity: false });
  return output;
}

describe('LLaVA in transformers.js', () => {
  it("generates the original's tokens in fp32, from its own processor's inputs", async () => {
    const client = await openClient(await converted('fp32', 'fp32'));
    const decodeIds = io.ints('out.decode_ids');
    const answer = await generate(client, picture, prompt, {
      order: 'picture first',
      steps: decodeIds.length,
    });
    expect(answer.inputIds).toEqual(io.ints('in.input_ids'));
    const recorded = io.float32('in.pixel_values');
    expect(Math.max(...answer.pixels.map((value, i) => Math.abs(value - (recorded[i] ?? 0))))).toBeLessThan(
      1e-6,
    );
    expect(answer.ids).toEqual(decodeIds);
  });

  it.each([
    ['fp16', 'fp16', '_fp16'],
    ['int8', 'q8', '_quantized'],
    ['int4', 'q4', '_q4'],
  ] as const)('loads %s files as dtype %s and generates what they give', async (precision, dtype, suffix) => {
    const output = await converted(precision, precision);
    const client = await openClient(output, dtype);
    expect(client.loaded.filter((file) => file.endsWith('.onnx'))).toEqual(
      ['decoder_model_merged', 'embed_tokens', 'vision_encoder'].map((name) => `onnx/${name}${suffix}.onnx`),
    );
    const { ids } = await generate(client, picture, prompt, { order: 'picture first', steps: 6 });
    expect(ids).toEqual(await greedy(output, suffix, ids));
  });

  it('loads what config.json says when nobody says anything, a precision for each component', async () => {
    const client = await openClient(await converted('mixed', { vision: 'fp16', decoder: 'int4' }));
    expect(client.loaded).toEqual([
      'onnx/decoder_model_merged_q4.onnx',
      'onnx/decoder_model_merged_q4.onnx_data',
      'onnx/embed_tokens.onnx',
      'onnx/embed_tokens.onnx_data',
      'onnx/vision_encoder_fp16.onnx',
      'onnx/vision_encoder_fp16.onnx_data',
    ]);
    const { ids } = await generate(client, picture, prompt, { order: 'picture first', steps: 2 });
    expect(ids).toHaveLength(2);
  });

  it('prepares pictures for a size that is not square', async () => {
    const resolution = { width: 70, height: 42 };
    const client = await openClient(await converted('wide', 'fp32', resolution));
    const answer = await generate(client, picture, prompt, { order: 'picture first', steps: 1 });
    const imageToken = 320;
    expect(answer.inputIds.filter((id) => id === imageToken)).toHaveLength((70 / 14) * (42 / 14));
    expect(answer.pixels).toHaveLength(3 * 70 * 42);
    expect(answer.ids).toHaveLength(1);
  });
});

describe('Qwen2-VL in transformers.js', () => {
  const digits = goldenCase('qwen2-vl/trained-digits');

  async function convertDigits(precision: Precision): Promise<string> {
    const output = join(folder, `digits-${precision}`);
    const { checkpoint } = digits;
    await convert({ checkpoint, output, format: 'transformers.js', precision, parity: false });
    return output;
  }

  /** Pictures of the trained model, and what the original answers. */
  async function questions(): Promise<readonly (readonly [string, string])[]> {
    const file = await readFile(join(digits.folder, 'eval/answers.json'), 'utf8');
    const answers = JSON.parse(file) as Record<string, { readonly reference: string }>;
    return Object.entries(answers).map(([name, { reference }]) => [
      join(digits.folder, 'eval', name),
      reference,
    ]);
  }

  it('reads every picture as the original does, from PNG to text', async () => {
    const client = await openClient(await convertDigits('fp32'));
    const found: string[] = [];
    const expected: string[] = [];
    for (const [path, reference] of await questions()) {
      const picture = await readPicture(path);
      const { text } = await generate(client, picture, promptOf(digits), { order: 'text first', steps: 14 });
      found.push(`${path}: ${text}`);
      expected.push(`${path}: ${reference}`);
    }
    expect(found.length).toBeGreaterThanOrEqual(20);
    expect(found).toEqual(expected);
  });

  it.each([
    ['fp16', 'fp16'],
    ['int8', 'q8'],
    ['int4', 'q4'],
  ] as const)('reads pictures from %s files, as dtype %s', async (precision, dtype) => {
    const client = await openClient(await convertDigits(precision), dtype);
    const asked = (await questions()).slice(0, 20);
    let right = 0;
    for (const [path, reference] of asked) {
      const picture = await readPicture(path);
      const { text } = await generate(client, picture, promptOf(digits), { order: 'text first', steps: 14 });
      if (text === reference) right += 1;
    }
    // Of all 100, int4 loses one.
    expect(right).toBeGreaterThanOrEqual(precision === 'int4' ? 19 : 20);
  });
});

/** The most probable token after the prompt and after each of `ids` but the last, by the files alone. */
async function greedy(output: string, suffix: string, ids: readonly number[]): Promise<number[]> {
  return withRecipe(golden, async (recipe) => {
    const file = (name: string): string => join(output, 'onnx', `${name}${suffix}.onnx`);
    const { logits, decodeLogits } = await runRecipe({
      recipe,
      files: {
        vision: file('vision_encoder'),
        embed: file('embed_tokens'),
        decoder: file('decoder_model_merged'),
      },
      ...caseInputs(golden, io),
      decodeIds: [ids.slice(0, -1)],
    });
    const last = toFloat32(logits).subarray(-recipe.vocabSize);
    return [last, ...decodeLogits.map(toFloat32)].map((row) => row.indexOf(Math.max(...row)));
  });
}
