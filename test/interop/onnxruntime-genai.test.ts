/**
 * The real onnxruntime-genai loads folders that we write for it and generates the tokens that were recorded from the
 * original implementations. Needs Python with the package; VLM_PYTHON names another interpreter than python3.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SpliceRule } from '../../src/architectures/recipe.ts';
import { writeSafetensors } from '../../src/formats/safetensors/write.ts';
import { type ConvertOptions, convert } from '../../src/index.ts';
import { type RunTensor, toFloat32 } from '../../src/runtime/values.ts';
import { inlineTensor, type Tensor } from '../../src/tensor/tensor.ts';
import { caseInputs } from '../support/case-inputs.ts';
import { generateWithGenai, noGenai } from '../support/genai.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { readIo } from '../support/read-io.ts';

let root = '';
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'vlm-genai-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach((context) => context.skip(noGenai !== undefined, noGenai));

interface Made {
  readonly output: string;
  readonly scratch: string;
}

async function converted(name: string, options: Partial<ConvertOptions> = {}): Promise<Made> {
  count += 1;
  const scratch = join(root, String(count));
  await mkdir(scratch);
  const { checkpoint } = goldenCase(name);
  const output = join(scratch, 'out');
  await convert({ checkpoint, output, format: 'onnxruntime-genai', parity: false, ...options });
  return { output, scratch };
}

function stored({ dtype, shape, data }: RunTensor): Tensor {
  if (!ArrayBuffer.isView(data)) throw new TypeError('no numbers');
  return inlineTensor(dtype, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

async function spliceOf(output: string): Promise<SpliceRule | undefined> {
  const manifest = JSON.parse(await readFile(join(output, 'vlm-convert.json'), 'utf8')) as {
    readonly generation: { readonly recipe: { readonly splice?: SpliceRule } };
  };
  return manifest.generation.recipe.splice;
}

/** By case: names of the vision graph's inputs, as callers give them. */
const withPictures: readonly (readonly [string, { readonly pixels: string; readonly grid?: string }])[] = [
  ['llava/hf-tiny', { pixels: 'pixel_values' }],
  ['monkey/tiny-896', { pixels: 'pixel_values' }],
  ['minicpm-v-2.5/tiny-drop-last', { pixels: 'pixel_values', grid: 'tgt_sizes' }],
  ['qwen2-vl/tiny-two-images', { pixels: 'pixel_values', grid: 'image_grid_thw' }],
  ['textmonkey/resized-896', { pixels: 'pixel_values' }],
  ['janus/tiny-hf', { pixels: 'pixel_values' }],
  ['minigpt-v2/tiny', { pixels: 'pixel_values' }],
  ['vila/tiny-mlp_downsample', { pixels: 'pixel_values' }],
  ['vila/tiny-mlp_downsample_3x3_fix', { pixels: 'pixel_values' }],
  ['vila/nvila-dynamic_s2', { pixels: 'pixel_values', grid: 'tile_grids' }],
  ['qwen2-audio/tiny', { pixels: 'input_features', grid: 'feature_attention_mask' }],
];

describe('onnxruntime-genai, given pictures that were prepared', () => {
  it.each(withPictures)("generates the original's tokens of %s", async (name, names) => {
    const golden = goldenCase(name);
    const resized = golden.json.resolution?.from === 'override' ? golden.json.resolution : undefined;
    const { output, scratch } = await converted(name, resized === undefined ? {} : { resolution: resized });
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const { pixels, grid, inputIds, decodeIds } = caseInputs(golden, io, await spliceOf(output));
    if (pixels === undefined) throw new Error('a case without pictures');
    const arrays = join(scratch, 'arrays.safetensors');
    const named = new Map([['pixels', stored(pixels)]]);
    if (grid !== undefined) named.set('grid', stored(grid));
    await writeSafetensors(arrays, named);
    const features = ['out.image_features', 'out.vision_features'].find((key) => io.has(key)) ?? '';
    const rows = io.has('out.audio_lengths')
      ? io.ints('out.audio_lengths')
      : [
          io
            .get(features)
            .shape.slice(0, -1)
            .reduce((product, dim) => product * dim, 1),
        ];
    const [ids = []] = decodeIds;
    const answer = await generateWithGenai(
      output,
      {
        ids: Array.from(inputIds.data, Number),
        arrays,
        inputs: { [names.pixels]: 'pixels', ...(names.grid === undefined ? {} : { [names.grid]: 'grid' }) },
        image_tokens: rows,
        steps: ids.length,
      },
      scratch,
    );
    expect(answer.ids).toEqual(ids);
  });

  it.each(['fp16', 'int8', 'int4'] as const)('runs LLaVA in %s', async (precision) => {
    const name = 'llava/hf-tiny';
    const { output, scratch } = await converted(name, { precision });
    const golden = goldenCase(name);
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const answer = await generateWithGenai(
      output,
      {
        ids: io.ints('in.input_ids'),
        arrays: join(golden.folder, 'io.safetensors'),
        inputs: { pixel_values: 'in.pixel_values' },
        image_tokens: [16],
        steps: 4,
      },
      scratch,
    );
    expect(answer.ids).toHaveLength(4);
    // What this precision leaves of the first token is the check's matter; at fp16 it is the same.
    if (precision === 'fp16') expect(answer.ids).toEqual(io.ints('out.decode_ids').slice(0, 4));
  });
});

describe('onnxruntime-genai, from PNG to text by its own processor', () => {
  it('answers about the pictures of the trained model', async () => {
    const name = 'qwen2-vl/trained-digits';
    const golden = goldenCase(name);
    const { output, scratch } = await converted(name);
    const { prompts = [] } = golden.json.text as { readonly prompts?: readonly string[] };
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const ids = io.ints('out.decode_ids');
    const answer = await generateWithGenai(
      output,
      {
        // It writes the pads of a picture itself.
        text: (prompts[0] ?? '').replace('<|image_pad|>', ''),
        images: [join(golden.folder, 'eval/002.png')],
        steps: ids.length,
      },
      scratch,
    );
    expect(answer.input_ids).toEqual(io.ints('in.input_ids'));
    expect(answer.ids).toEqual(ids);
  });
});

describe('onnxruntime-genai, with language models alone', () => {
  it.each(['peft/llama-layers', 'peft/gpt2-fan-in-fan-out'])('continues the text of %s', async (name) => {
    const { output, scratch } = await converted(name);
    const io = await readIo(join(goldenCase(name).folder, 'io.safetensors'));
    const ids = io.get('in.input_ids');
    const [, tokens = 0] = ids.shape;
    const logits = io.get('mid.logits_base');
    const vocab = logits.shape.at(-1) ?? 0;
    const last = toFloat32(logits).subarray((tokens - 1) * vocab, tokens * vocab);
    const answer = await generateWithGenai(
      output,
      { ids: Array.from(ids.data, Number).slice(0, tokens), steps: 1 },
      scratch,
    );
    expect(answer.ids).toEqual([last.indexOf(Math.max(...last))]);
  });
});
