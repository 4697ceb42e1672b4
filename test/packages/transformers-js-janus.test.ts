/** What an output for transformers.js says of Janus, and how its graphs share the weights of ours. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PictureGeneration } from '../../src/architectures/recipe.ts';
import type { Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { type ConvertOptions, convert, recheck } from '../../src/index.ts';
import { decodedImage } from '../../src/packages/multi-modality-graphs.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { fixtures } from '../golden-folders.ts';
import { buildModel, randomInput, runModel } from '../support/run-model.ts';

const hf = join(fixtures, 'janus/tiny-hf/checkpoint');
const original = join(fixtures, 'janus/tiny-generate/checkpoint');

type Json = Record<string, unknown>;

let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vlm-package-janus-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function output(given: Partial<ConvertOptions> = {}): Promise<string> {
  count += 1;
  const path = join(folder, `out-${count}`);
  await convert({ checkpoint: hf, output: path, format: 'transformers.js', parity: false, ...given });
  return path;
}

const json = async (path: string, name: string): Promise<Json> =>
  JSON.parse(await readFile(join(path, name), 'utf8')) as Json;

describe('the graphs', () => {
  it('have data files of their own names, and no weight stands twice', async () => {
    const path = await output({ precision: { decoder: 'int4', image_decoder: 'fp16' } });
    const names = (await readdir(join(path, 'onnx'))).sort();
    expect(names.filter((name) => name.endsWith('.onnx'))).toEqual([
      'decoder_model_merged_q4.onnx',
      'embed_tokens.onnx',
      'gen_embed.onnx',
      'gen_head.onnx',
      'gen_img_embeds.onnx',
      'image_decode_fp16.onnx',
      'image_decoder_fp16.onnx',
      'language_model_q4.onnx',
      'lm_head_q4.onnx',
      'prepare_inputs_embeds.onnx',
      'vision_encoder.onnx',
    ]);
    expect(names.filter((name) => !name.endsWith('.onnx'))).toEqual([
      'gen_head.onnx_data',
      'gen_img_embeds.onnx_data',
      'image_decode_fp16.onnx_data',
      'language_model_q4.onnx_data',
      'lm_head_q4.onnx_data',
      'prepare_inputs_embeds.onnx_data',
      'prepare_inputs_embeds.onnx_data_1',
    ]);
    const { 'transformers.js_config': loading } = await json(path, 'config.json');
    expect(loading).toEqual({
      dtype: {
        prepare_inputs_embeds: 'fp32',
        language_model: 'q4',
        lm_head: 'q4',
        gen_head: 'fp32',
        gen_img_embeds: 'fp32',
        image_decode: 'fp16',
      },
      use_external_data_format: {
        'prepare_inputs_embeds.onnx': 2,
        'language_model_q4.onnx': 1,
        'lm_head_q4.onnx': 1,
        'gen_head.onnx': 1,
        'gen_img_embeds.onnx': 1,
        'image_decode_fp16.onnx': 1,
      },
    });
    const bytes = async (at: string): Promise<number> => {
      const { files } = await json(at, 'vlm-convert.json');
      const listed = files as { readonly path: string; readonly bytes: number }[];
      return listed.reduce((sum, file) => sum + (file.path.includes('_data') ? file.bytes : 0), 0);
    };
    const plain = await output({ precision: { decoder: 'int4', image_decoder: 'fp16' }, format: 'onnx' });
    // Apart from the gaps between pages at the end of more files.
    expect(Math.abs((await bytes(path)) - (await bytes(plain)))).toBeLessThan(7 * 4096);
  });

  it('can be checked again under their names', async () => {
    const path = await output({ precision: 'int8' });
    expect((await recheck({ output: path, checkpoint: hf })).passed).toBe(true);
  });
});

describe('a picture that is drawn', () => {
  const generator = (): Model =>
    buildModel((b) => {
      const codes = b.input('codes', tensorType('float32', ['batch_size', 3, 1, 2]));
      b.output('pixels', b.op('Tanh', [codes]));
    });
  const pictures = { mean: [0.5, 0.25, 0.5], std: [0.5, 0.5, 0.125] } as unknown as PictureGeneration;

  it('comes in the scale that the client takes off', async () => {
    const codes = randomInput([1, 3, 1, 2], 4);
    const found = await runModel(decodedImage(generator(), pictures), { generated_tokens: codes });
    const plain = toFloat32(codes).map(Math.tanh);
    const { mean, std } = pictures;
    // A byte is 255 (y std + mean) for the model, 255 (y + 1) / 2 for the client.
    const expected = [...plain].map((y, i) => {
      const channel = Math.floor(i / 2);
      return 2 * (y * (std[channel] ?? 0) + (mean[channel] ?? 0)) - 1;
    });
    const image = found.get('decoded_image');
    if (image === undefined) throw new Error('no decoded_image');
    for (const [i, value] of toFloat32(image).entries())
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 6);
  });
});

describe('a size that is no square', () => {
  it('is refused, for the processor makes squares', async () => {
    const wide = convert({
      checkpoint: hf,
      output: join(folder, 'wide'),
      format: 'transformers.js',
      resolution: { width: 96, height: 64 },
      parity: false,
    });
    await expect(wide).rejects.toMatchObject({ code: 'VC4502' });
  });
});

describe('the files beside them', () => {
  it('name the class, and the sizes where it looks for them, in both layouts', async () => {
    for (const [checkpoint, heads] of [
      [hf, 4],
      [original, 4],
    ] as const) {
      const config = await json(await output({ checkpoint }), 'config.json');
      expect(config).toMatchObject({
        model_type: 'multi_modality',
        architectures: ['MultiModalityCausalLM'],
        language_config: {
          model_type: 'llama',
          hidden_size: 64,
          num_hidden_layers: 2,
          num_attention_heads: heads,
          num_key_value_heads: heads,
          head_dim: 16,
        },
      });
      expect(config).not.toHaveProperty('text_config');
    }
  });

  it('keep guidance out of the settings of answers, and know what to pad with', async () => {
    expect(await json(hf, 'generation_config.json')).toHaveProperty('guidance_scale');
    const own = await json(await output(), 'generation_config.json');
    expect(own).not.toHaveProperty('guidance_scale');
    expect(own).toMatchObject({ eos_token_id: 331, pad_token_id: 332 });
    const made = await json(await output({ checkpoint: original }), 'generation_config.json');
    expect(made).toEqual({ eos_token_id: 381, pad_token_id: 382 });
  });

  it('tell the processor its tags, and the colour of padding behind the normalisation', async () => {
    const path = await output();
    expect(await json(path, 'processor_config.json')).toMatchObject({
      processor_class: 'VLChatProcessor',
      image_tag: '<image_placeholder>',
      image_start_tag: '<begin_of_image>',
      image_end_tag: '<end_of_image>',
      num_image_tokens: 36,
    });
    const settings = await json(path, 'preprocessor_config.json');
    expect(settings).toMatchObject({
      image_processor_type: 'VLMImageProcessor',
      image_size: 96,
      size: { shortest_edge: 96, longest_edge: 96 },
      do_pad: true,
    });
    const [red] = settings.background_color as number[];
    // (127 / 255 - 0.5) / 0.5, times what it multiplies by.
    expect((red ?? 0) / 255).toBeCloseTo(-1 / 255, 12);
  });

  it('follow a mean that is not the middle', async () => {
    const checkpoint = join(folder, 'mean');
    await cp(hf, checkpoint, { recursive: true });
    const settings = await json(checkpoint, 'preprocessor_config.json');
    const mean = { ...settings, image_mean: [0.4, 0.5, 0.6], image_std: [0.25, 0.5, 0.5] };
    await writeFile(join(checkpoint, 'preprocessor_config.json'), JSON.stringify(mean));
    const { background_color } = await json(await output({ checkpoint }), 'preprocessor_config.json');
    const colour = [102, 127, 153].map(
      (byte, i) => (byte / 255 - ([0.4, 0.5, 0.6][i] ?? 0)) / ([0.25, 0.5, 0.5][i] ?? 1),
    );
    expect(background_color).toEqual(colour.map((each) => expect.closeTo(255 * each, 9)));
  });
});
