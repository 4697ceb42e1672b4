/** What an output for onnxruntime-genai holds besides: graphs in the forms that it drives, and its config. */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddingModel } from '../../src/architectures/components.ts';
import type { SpliceRule } from '../../src/architectures/recipe.ts';
import { cloneModel } from '../../src/graph/clone.ts';
import type { Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { problemsOf } from '../../src/graph/verify.ts';
import { type ConvertOptions, convert, planConversion, recheck, VlmError } from '../../src/index.ts';
import { fixedInputs, flatFeatures, mergingEmbedding } from '../../src/packages/adapted-graphs.ts';
import { float32Value, int64Value, toFloat32 } from '../../src/runtime/values.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { buildModel, randomInput, randomWeight, runModel } from '../support/run-model.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-genai-package-'));
});
afterAll(() => rm(folder, { recursive: true }));

const hidden = 4;
const table = randomWeight('table', [30, hidden], 1);
const embedding = (): Model => embeddingModel({ name: 'table', tensor: table });

/** Rows of inputs_embeds: a number is an id of the table, text the row of the features. */
async function expectRows(
  splice: SpliceRule,
  ids: readonly number[],
  features: number,
  rows: readonly (number | `feature ${number}`)[],
): Promise<void> {
  const merged = mergingEmbedding(embedding(), splice, hidden);
  expect(problemsOf(merged)).toEqual([]);
  const given = Float32Array.from({ length: features * hidden }, (_, i) => 100 + i);
  const found = await runModel(merged, {
    input_ids: int64Value([1, ids.length], [...ids]),
    image_features: float32Value([features, hidden], given),
  });
  const plain = await runModel(embedding(), {
    input_ids: int64Value(
      [1, ids.length],
      rows.map((row) => (typeof row === 'number' ? row : 0)),
    ),
  });
  const expected = Float32Array.from(toFloat32(value(plain, 'inputs_embeds')));
  for (const [position, row] of rows.entries()) {
    if (typeof row === 'number') continue;
    const index = Number(row.split(' ')[1]);
    expected.set(given.subarray(index * hidden, (index + 1) * hidden), position * hidden);
  }
  expect(toFloat32(value(found, 'inputs_embeds'))).toEqual(expected);
}

function value<T>(values: ReadonlyMap<string, T>, name: string): T {
  const found = values.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

describe('the embedding', () => {
  const tokens: SpliceRule = { rule: 'image-token', tokenId: 7 };
  const markers: SpliceRule = { rule: 'between-markers', startId: 20, endId: 21, padId: 22 };

  it('gives places their features, in order', async () => {
    await expectRows(tokens, [1, 7, 7, 3, 7], 3, [1, 'feature 0', 'feature 1', 3, 'feature 2']);
    await expectRows({ ...tokens, videoTokenId: 8 }, [8, 1, 7], 2, ['feature 0', 1, 'feature 1']);
  });

  it('gives them what stands strictly between markers, whatever is there', async () => {
    const rows = [20, 'feature 0', 'feature 1', 21, 22, 20, 'feature 2', 21] as const;
    await expectRows(markers, [20, 22, 5, 21, 22, 20, 22, 21], 3, rows);
  });

  it('is plain where there are no features, as while decoding', async () => {
    await expectRows(tokens, [7, 2], 0, [7, 2]);
    await expectRows(markers, [22], 0, [22]);
    await expectRows(tokens, [7, 7, 2], 1, ['feature 0', 7, 2]);
  });
});

describe('the other graphs', () => {
  it('give the features of all pictures in one list, under the names that are asked for', async () => {
    const model = buildModel((b) => {
      const pixels = b.input('pixel_values', tensorType('float32', ['pictures', 3, hidden]));
      b.input('grid_thw', tensorType('int64', ['pictures', 3]));
      b.output('image_features', b.op('Tanh', [pixels]));
    });
    const before = cloneModel(model);
    const flat = flatFeatures(model, {
      output: 'image_features',
      hidden,
      names: { grid_thw: 'image_grid_thw' },
    });
    expect(problemsOf(flat)).toEqual([]);
    expect(flat.graph.inputs.map(({ name }) => name)).toEqual(['pixel_values', 'image_grid_thw']);
    const pixel_values = randomInput([2, 3, hidden], 5);
    const found = await runModel(flat, {
      pixel_values,
      image_grid_thw: int64Value([2, 3], [1, 1, 1, 1, 1, 1]),
    });
    const output = value(found, 'image_features');
    expect(output.shape).toEqual([6, hidden]);
    const plain = await runModel(before, { pixel_values, grid_thw: int64Value([2, 3], [1, 1, 1, 1, 1, 1]) });
    expect(toFloat32(output)).toEqual(toFloat32(value(plain, 'image_features')));
    // What it was made from stays what it was.
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(before.graph.inputs.map(({ name }) => name));
  });

  it('give of each sound no more than the first rows, as many as are features', async () => {
    const model = buildModel((b) => {
      const frames = b.input('input_features', tensorType('float32', ['sounds', 3, hidden]));
      const mask = b.input('mask', tensorType('int64', ['sounds']));
      b.output('audio_features', b.op('Tanh', [frames]));
      b.output('audio_lengths', b.op('Add', [mask, b.int64([1])]));
    });
    const flat = flatFeatures(model, { output: 'audio_features', hidden, lengths: 'audio_lengths' });
    expect(problemsOf(flat)).toEqual([]);
    const input_features = randomInput([3, 3, hidden], 5);
    const found = await runModel(flat, { input_features, mask: int64Value([3], [0, 2, -1]) });
    const output = value(found, 'audio_features');
    expect(output.shape).toEqual([4, hidden]);
    const rows = [0, 3, 4, 5].flatMap((row) =>
      Array.from(toFloat32(input_features).subarray(row * hidden, (row + 1) * hidden), Math.tanh),
    );
    for (const [i, each] of toFloat32(output).entries()) expect(each).toBeCloseTo(rows[i] ?? Number.NaN, 6);
  });

  it('have constants where nobody feeds an input', async () => {
    const model = buildModel((b) => {
      const length = b.input('rope_length', tensorType('int64', []));
      const x = b.input('x', tensorType('int64', [2]));
      b.output('y', b.op('Mul', [x, length]));
    });
    const fixed = fixedInputs(model, { rope_length: 3 });
    expect(problemsOf(fixed)).toEqual([]);
    const found = await runModel(fixed, { x: int64Value([2], [5, 7]) });
    expect(Array.from(value(found, 'y').data, Number)).toEqual([15, 21]);
    expect(() => fixedInputs(model, { other: 1 })).toThrow('no input other');
  });
});

type Json = Record<string, unknown>;
const json = async (path: string, name: string): Promise<Json> =>
  JSON.parse(await readFile(join(path, name), 'utf8')) as Json;

const bytesOf = async (path: string, name: string): Promise<number> =>
  (await stat(join(path, 'onnx', name))).size;

let count = 0;
async function output(name: string, given: Partial<ConvertOptions> = {}): Promise<string> {
  count += 1;
  const path = join(folder, `out-${count}`);
  const { checkpoint } = goldenCase(name);
  await convert({ checkpoint, output: path, format: 'onnxruntime-genai', parity: false, ...given });
  return path;
}

describe('an output', () => {
  it('is told to lack a tokenizer where it has none, not where one is made of another form', async () => {
    const warned = async (name: string) => {
      const { checkpoint } = goldenCase(name);
      const { plan } = await planConversion({
        checkpoint,
        output: join(folder, 'no'),
        format: 'onnxruntime-genai',
      });
      return plan.warnings.map(({ code, where }) => `${code} ${where}`);
    };
    expect(await warned('monkey/tiny-896')).toEqual(['VC4503 tokenizer.json']);
    expect(await warned('minigpt-v2/tiny')).toEqual([]);
  });

  it('stores weights once: the other forms read the data files of those that are checked', async () => {
    const path = await output('monkey/tiny-896', { precision: 'int4' });
    const files = (await readdir(join(path, 'onnx'))).sort();
    expect(files).toEqual([
      'decoder.onnx',
      'decoder_model_merged.onnx',
      'decoder_model_merged.onnx_data',
      'embed_tokens.onnx',
      'embed_tokens.onnx_data',
      'embedding.onnx',
      'vision.onnx',
      'vision_encoder.onnx',
      'vision_encoder.onnx_data',
    ]);
    // Some nodes more, and no weight.
    for (const [own, checked] of [
      ['vision', 'vision_encoder'],
      ['embedding', 'embed_tokens'],
      ['decoder', 'decoder_model_merged'],
    ]) {
      const [larger, graph] = [await bytesOf(path, `${own}.onnx`), await bytesOf(path, `${checked}.onnx`)];
      expect(larger - graph).toBeLessThan(6000);
    }
    const { model } = await json(path, 'genai_config.json');
    expect(model).toMatchObject({
      type: 'gemma3',
      // Not max_position_embeddings: the decoder has no length to scale its positions by.
      context_length: 2048,
      vocab_size: 504,
      decoder: { filename: 'onnx/decoder.onnx', num_hidden_layers: 2, num_key_value_heads: 4, head_size: 32 },
      embedding: { filename: 'onnx/embedding.onnx' },
      vision: { filename: 'onnx/vision.onnx', outputs: { image_features: 'image_features' } },
    });
  });

  it('takes the special tokens from where they stand', async () => {
    const { model } = await json(await output('qwen2-vl/trained-digits'), 'genai_config.json');
    expect(model).toMatchObject({
      type: 'qwen2_5_vl',
      eos_token_id: expect.anything(),
      image_token_id: 127,
      video_token_id: 128,
      vision_start_token_id: 124,
      vision: {
        config_filename: 'genai_processor_config.json',
        inputs: { image_grid_thw: 'image_grid_thw' },
      },
    });
    const text = await json(await output('peft/llama-layers'), 'genai_config.json');
    expect(text.model).toMatchObject({ type: 'decoder-pipeline' });
    expect(text.model).not.toHaveProperty('vision');
  });

  it('is refused by a check where one of its graphs is another one', async () => {
    const name = 'llava/hf-tiny';
    const path = await output(name);
    const { checkpoint } = goldenCase(name);
    const good = await recheck({ output: path, checkpoint });
    expect(good.passed).toBe(true);
    await cp(join(path, 'onnx/vision_encoder.onnx'), join(path, 'onnx/vision.onnx'));
    await expect(recheck({ output: path, checkpoint })).rejects.toMatchObject({ code: 'VC5111' });
    // And where the manifest was made to fit.
    const manifest = await json(path, 'vlm-convert.json');
    const files = manifest.files as { path: string; sha256: string; bytes: number }[];
    const encoder = files.find((file) => file.path === 'onnx/vision_encoder.onnx');
    const changed = files.map((file) =>
      file.path === 'onnx/vision.onnx' ? { ...encoder, path: file.path } : file,
    );
    await writeFile(join(path, 'vlm-convert.json'), JSON.stringify({ ...manifest, files: changed }));
    await expect(recheck({ output: path, checkpoint })).rejects.toMatchObject({ code: 'VC5112' });
  });

  it('is refused where its graphs would hand each other another element type', async () => {
    const { checkpoint } = goldenCase('llava/hf-tiny');
    const mixed = planConversion({
      checkpoint,
      output: join(folder, 'no'),
      format: 'onnxruntime-genai',
      precision: { vision: 'fp16' },
      ioDtype: 'float16',
    });
    await expect(mixed).rejects.toBeInstanceOf(VlmError);
    await expect(mixed).rejects.toMatchObject({ code: 'VC4502' });
  });
});
