/** What an output for transformers.js says of itself: names, pieces, processor, sizes that publishers leave out. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../src/architectures/architecture.ts';
import { architectures, findArchitecture } from '../../src/architectures/registry.ts';
import { openCheckpoint } from '../../src/formats/checkpoint/open.ts';
import type { ModelLayout } from '../../src/formats/onnx/layout.ts';
import { type ConvertOptions, convert, planConversion, recheck, VlmError } from '../../src/index.ts';
import type { PackedComponent } from '../../src/packages/package-format.ts';
import { transformersJs } from '../../src/packages/transformers-js.ts';
import { clientFamilies } from '../../src/packages/transformers-js-families.ts';
import { fixtures } from '../golden-folders.ts';
import { goldenCase } from '../support/golden-cases.ts';

const llava = join(fixtures, 'llava/hf-tiny/checkpoint');

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-package-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Json = Record<string, unknown>;

let count = 0;
async function output(given: Partial<ConvertOptions> = {}): Promise<string> {
  count += 1;
  const path = join(folder, `out-${count}`);
  await convert({ checkpoint: llava, output: path, format: 'transformers.js', parity: false, ...given });
  return path;
}

const json = async (path: string, name: string): Promise<Json> =>
  JSON.parse(await readFile(join(path, name), 'utf8')) as Json;

/** A copy of the checkpoint with some of its JSON files changed. */
async function changed(
  edits: Readonly<Record<string, (value: Json) => unknown>>,
  of: string = llava,
): Promise<string> {
  count += 1;
  const path = join(folder, `checkpoint-${count}`);
  await cp(of, path, { recursive: true });
  for (const [name, edit] of Object.entries(edits)) {
    const value = await json(path, name).catch(() => ({}));
    await writeFile(join(path, name), JSON.stringify(edit(value)));
  }
  return path;
}

async function refusal(given: Partial<ConvertOptions>): Promise<unknown> {
  try {
    await planConversion({
      checkpoint: llava,
      output: join(folder, 'no'),
      format: 'transformers.js',
      ...given,
    });
  } catch (error) {
    if (error instanceof VlmError) return error.record;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('the files', () => {
  it('are named by precision, and listed with as many data files as there are', async () => {
    const path = await output({ precision: { vision: 'int8', decoder: 'fp16' } });
    const config = await json(path, 'config.json');
    expect(config['transformers.js_config']).toEqual({
      dtype: { vision_encoder: 'q8', embed_tokens: 'fp32', decoder_model_merged: 'fp16' },
      use_external_data_format: {
        'vision_encoder_quantized.onnx': 1,
        'embed_tokens.onnx': 1,
        'decoder_model_merged_fp16.onnx': 1,
      },
    });
    const { files } = await json(path, 'vlm-convert.json');
    expect((files as { path: string }[]).map((file) => file.path)).toEqual(
      expect.arrayContaining([
        'onnx/vision_encoder_quantized.onnx_data',
        'onnx/decoder_model_merged_fp16.onnx',
      ]),
    );
  });

  it('count the pieces of a large model, none where all weights are in the graph, and warn of too large ones', async () => {
    const { built, files } = await packed([
      [],
      ['embed_tokens_q4.onnx_data', 2 ** 31 + 1],
      ['a', 2 ** 31 - 4096, 'b', 2 ** 31 - 4096, 'c', 5],
    ]);
    const config = files.sideFiles.find(({ name }) => name === 'config.json');
    if (config?.kind !== 'json') throw new Error('no config.json');
    expect((config.value as Json)['transformers.js_config']).toMatchObject({
      use_external_data_format: { 'embed_tokens_q4.onnx': 1, 'decoder_model_merged_q4.onnx': 3 },
    });
    expect(JSON.stringify(config.value)).not.toContain('vision_encoder_q4.onnx');
    expect(files.warnings.map(({ code, where }) => [code, where])).toEqual([
      ['VC4504', 'embed_tokens_q4.onnx_data'],
    ]);
    expect(built.components.map(({ fileName }) => fileName)).toEqual([
      'vision_encoder_q4',
      'embed_tokens_q4',
      'decoder_model_merged_q4',
    ]);
  });

  it('can be checked again under their names', async () => {
    const path = await output({ precision: 'int4' });
    const { passed } = await recheck({ output: path, checkpoint: llava });
    expect(passed).toBe(true);
  });
});

/** The package of the fixture at int4, as if its graphs had data files of these names and sizes. */
async function packed(data: readonly (readonly (string | number)[])[]) {
  const checkpoint = await openCheckpoint(llava);
  try {
    const plain = findArchitecture(checkpoint.config, new Set()).build(checkpoint, {
      tiling: 'fit',
      loraTiles: 'error',
    });
    const precisions = new Map(plain.components.map(({ id }) => [id, 'int4']));
    const built: BuiltModel = transformersJs.name({
      built: plain,
      precisions,
      ioDtype: 'float32',
      linkWeights: false,
    });
    const components = built.components.map((component, index): PackedComponent => {
      const sizes = data[index] ?? [];
      const dataFiles: ModelLayout['dataFiles'] = Array.from({ length: sizes.length / 2 }, (_, i) => ({
        name: String(sizes[2 * i]),
        byteLength: Number(sizes[2 * i + 1]),
      }));
      const modelFile = `${component.fileName}.onnx`;
      const layout: ModelLayout = {
        modelFile,
        dataFiles,
        entries: [],
        linkedFiles: [],
        placement: new Map(),
      };
      return { component, precision: 'int4', layout, model: component.model };
    });
    return { built, files: transformersJs.files(built, checkpoint, components) };
  } finally {
    await checkpoint.close();
  }
}

describe('the processor', () => {
  it('counts the tokens that the picture has, at a size that is not square too', async () => {
    const path = await output({ resolution: { width: 70, height: 42 } });
    expect(await json(path, 'processor_config.json')).toMatchObject({
      processor_class: 'LlavaProcessor',
      image_token: '<image>',
      patch_size: 14,
      num_additional_image_tokens: 0,
    });
    expect(await json(path, 'preprocessor_config.json')).toMatchObject({
      processor_class: 'LlavaProcessor',
      image_processor_type: 'CLIPImageProcessor',
      crop_size: { width: 70, height: 42 },
    });
  });

  it('counts the class token where it is a feature', async () => {
    const checkpoint = await changed({
      'config.json': (config) => ({ ...config, vision_feature_select_strategy: 'full' }),
    });
    const path = await output({ checkpoint });
    expect(await json(path, 'processor_config.json')).toMatchObject({ num_additional_image_tokens: 1 });
  });

  it('keeps no second copy of the picture settings, which today’s checkpoints nest', async () => {
    const settings = await json(llava, 'preprocessor_config.json');
    const checkpoint = await changed({
      'processor_config.json': (processor) => ({ ...processor, image_processor: settings }),
    });
    await rm(join(checkpoint, 'preprocessor_config.json'));
    const path = await output({ checkpoint });
    expect(await json(path, 'processor_config.json')).not.toHaveProperty('image_processor');
    expect(await json(path, 'preprocessor_config.json')).toMatchObject({
      image_mean: settings.image_mean,
      image_processor_type: 'CLIPImageProcessor',
    });
  });
});

describe('a picture that the processor cannot prepare', () => {
  it('is warned of', async () => {
    const pad = (settings: Json): Json => ({ ...settings, do_pad: true });
    const checkpoint = await changed({ 'preprocessor_config.json': pad });
    const { plan } = await planConversion({
      checkpoint,
      output: join(folder, 'no'),
      format: 'transformers.js',
    });
    expect(plan.warnings).toMatchObject([{ code: 'VC4505' }]);
  });
});

describe('the tokenizer', () => {
  const inTokenizer = async (checkpoint: string) =>
    (await json(await output({ checkpoint }), 'tokenizer_config.json')).chat_template;

  it('holds the chat template, wherever the publisher put it', async () => {
    const own = await changed({ 'tokenizer_config.json': (value) => ({ ...value, chat_template: 'own' }) });
    expect(await inTokenizer(own)).toBe('own');
    await writeFile(join(own, 'chat_template.json'), JSON.stringify({ chat_template: 'of the processor' }));
    expect(await inTokenizer(own)).toBe('of the processor');
    await writeFile(join(own, 'chat_template.jinja'), '{{ "a file" }}\n');
    expect(await inTokenizer(own)).toBe('{{ "a file" }}\n');
    expect(await json(await output({ checkpoint: own }), 'tokenizer_config.json')).toMatchObject({
      tokenizer_class: 'LlamaTokenizer',
    });
  });

  it('is missed where there is none', async () => {
    const checkpoint = await changed({});
    await rm(join(checkpoint, 'tokenizer.json'));
    const { plan } = await planConversion({
      checkpoint,
      output: join(folder, 'no'),
      format: 'transformers.js',
    });
    expect(plan.warnings).toMatchObject([{ code: 'VC4503', where: 'tokenizer.json' }]);
  });

  it('takes no template that is no text', async () => {
    const checkpoint = await changed({});
    await writeFile(join(checkpoint, 'chat_template.jinja'), new Uint8Array([0xff, 0xfe, 0x41]));
    const { plan } = await planConversion({ checkpoint, output: join(folder, 'no') });
    expect(plan.warnings).toMatchObject([{ code: 'VC1115', where: 'chat_template.jinja' }]);
  });
});

describe('the config', () => {
  it('says the sizes of the cache that released configs leave to the defaults', async () => {
    const path = await output();
    expect((await json(path, 'config.json')).text_config).toMatchObject({
      model_type: 'llama',
      hidden_size: 96,
      num_hidden_layers: 2,
      num_key_value_heads: 3,
      head_dim: 32,
    });
  });
});

describe('Qwen2-VL', () => {
  const digits = join(fixtures, 'qwen2-vl/trained-digits/checkpoint');

  it('has its sizes beside the rest of the config, also where a newer release nests them', async () => {
    const released = await json(digits, 'config.json');
    const { vision_config, model_type, image_token_id, video_token_id, ...text } = released;
    const { vision_start_token_id, architectures, ...text_config } = text;
    const nested = {
      architectures,
      model_type,
      vision_config,
      image_token_id,
      video_token_id,
      vision_start_token_id,
      text_config: { ...text_config, model_type: 'qwen2_vl_text' },
    };
    const checkpoint = await changed({ 'config.json': () => nested }, digits);
    for (const path of [await output({ checkpoint: digits }), await output({ checkpoint })]) {
      const config = await json(path, 'config.json');
      expect(config).toMatchObject({
        model_type: 'qwen2_vl',
        hidden_size: 128,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        image_token_id: 127,
      });
      expect(config).not.toHaveProperty('text_config');
    }
  });

  it('is told to do what Python does without being told', async () => {
    expect(await json(digits, 'preprocessor_config.json')).not.toHaveProperty('do_rescale');
    const settings = await json(await output({ checkpoint: digits }), 'preprocessor_config.json');
    expect(settings).toMatchObject({
      do_convert_rgb: true,
      do_resize: true,
      do_rescale: true,
      do_normalize: true,
      resample: 3,
      image_processor_type: 'Qwen2VLImageProcessor',
      processor_class: 'Qwen2VLProcessor',
    });
    expect(settings.rescale_factor).toBeCloseTo(1 / 255, 12);
  });
});

describe('what it cannot run', () => {
  const others = architectures.map(({ id }) => id).filter((id) => !clientFamilies.has(id));

  it.each([
    'monkey/tiny-896',
    'textmonkey/resized-896',
    'qwen-vl/tiny-long',
    'minicpm-v-2.5/tiny-drop-last',
    'minigpt-v2/tiny',
    'vila/tiny-mlp_downsample',
    'qwen2-audio/tiny',
    'peft/llama-layers',
  ])('is refused with what to use instead: %s', async (name) => {
    const record = await refusal({ checkpoint: goldenCase(name).checkpoint });
    expect(record).toMatchObject({ code: 'VC4501', hint: expect.stringContaining('examples/') });
    expect(others).toContain((record as { readonly found?: string }).found);
  });

  it('are options that its loader has no place for', async () => {
    expect(await refusal({ precision: 'fp16', ioDtype: 'float16' })).toMatchObject({ code: 'VC4502' });
    expect(await refusal({ linkWeights: true })).toMatchObject({ code: 'VC4502' });
  });
});
