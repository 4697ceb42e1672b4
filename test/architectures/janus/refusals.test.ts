/** What is no Janus that we know: each refusal with its code and its place, before any weight is read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { janus } from '../../../src/architectures/janus/janus.ts';
import type { Checkpoint, CheckpointTensor, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { inlineTensor, type JsonValue } from '../../../src/tensor/tensor.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let original: Checkpoint;
let newer: Checkpoint;
beforeAll(async () => {
  original = await openCheckpoint(goldenCase('janus/tiny-generate').checkpoint);
  newer = await openCheckpoint(goldenCase('janus/tiny-hf').checkpoint);
});
afterAll(() => Promise.all([original.close(), newer.close()]));

function refusal(checkpoint: Checkpoint, changes: Changes): { code: string; where: string | undefined } {
  try {
    janus.build(changed(checkpoint, changes), { tiling: 'fit', loraTiles: 'nearest' });
  } catch (error) {
    if (error instanceof VlmError) return { code: error.code, where: error.record.where };
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Changes keys of `section.params`, or the section's own with `own`. */
function params(section: string, keys: JsonObject, own: JsonObject = {}): Changes {
  const old = original.config[section] as JsonObject;
  return { config: { [section]: { ...old, ...own, params: { ...(old.params as JsonObject), ...keys } } } };
}

/** Of a section of the newer layout. */
function section(name: string, keys: JsonObject): Changes {
  return { config: { [name]: { ...(newer.config[name] as JsonObject), ...keys } } };
}

/** A tensor of zeros, as if it were in the file. */
const shaped = (shape: readonly number[]): CheckpointTensor => ({
  file: 'model.safetensors',
  tensor: inlineTensor('float32', shape, new Uint8Array(4 * shape.reduce((a, b) => a * b, 1))),
});

describe('of the original layout', () => {
  it.each<[string, string, string, () => Changes]>([
    [
      'DeepSeek-VL',
      'VC1232',
      'config.json: gen_vision_config',
      () => ({ config: { gen_vision_config: undefined } }),
    ],
    [
      'JanusFlow',
      'VC1232',
      'config.json: vision_gen_enc_config',
      () => ({ config: { vision_gen_enc_config: {} } }),
    ],
    [
      'another tower',
      'VC1232',
      'config.json: vision_config.params.model_name',
      () => params('vision_config', { model_name: 'sam_b_downsample' }),
    ],
    [
      'a tower of two',
      'VC1232',
      'config.json: vision_config.cls',
      () => params('vision_config', {}, { cls: 'HybridVisionTower' }),
    ],
    [
      'a dropped feature',
      'VC1232',
      'config.json: vision_config.params.select_feature',
      () => params('vision_config', { select_feature: 'patch' }),
    ],
    [
      'normalisation in the tower',
      'VC1232',
      'config.json: vision_config.params.pixel_mean',
      () => params('vision_config', { pixel_mean: [0.5, 0.5, 0.5] }),
    ],
    [
      'another projector',
      'VC1232',
      'config.json: aligner_config.params.projector_type',
      () => params('aligner_config', { projector_type: 'low_high_hybrid_split_mlp_gelu' }),
    ],
    [
      'another generator',
      'VC1232',
      'config.json: gen_vision_config.cls',
      () => params('gen_vision_config', {}, { cls: 'VQ-8' }),
    ],
    [
      'an aligner of another width',
      'VC1204',
      'config.json: aligner_config.params.n_embed',
      () => params('aligner_config', { n_embed: 65 }),
    ],
    [
      'a head of other codes',
      'VC1204',
      'config.json: gen_head_config.params.image_token_size',
      () => params('gen_head_config', { image_token_size: 255 }),
    ],
    [
      'a picture under a patch',
      'VC1204',
      'config.json: vision_config.params.image_size',
      () => params('vision_config', { image_size: 8 }),
    ],
  ])('%s', (_what, code, where, changes) => {
    expect(refusal(original, changes())).toEqual({ code, where });
  });

  it('a decoder whose upsampling is not there', () => {
    const name = 'gen_vision_model.decoder.conv_blocks.1.upsample.conv.weight';
    const { code, where } = refusal(original, { tensors: (tensors) => tensors.delete(name) });
    expect([code, where]).toEqual(['VC1221', JSON.stringify(name)]);
  });

  it('attention that is missing where every decoder has it', () => {
    const name = 'gen_vision_model.decoder.conv_blocks.0.attn.2.q.weight';
    const { code, where } = refusal(original, { tensors: (tensors) => tensors.delete(name) });
    expect([code, where]).toEqual(['VC1221', JSON.stringify(name)]);
  });

  it('a tokenizer without the tokens around pictures', () => {
    const file = original.json.get('tokenizer.json') as JsonObject;
    const tokenizer: JsonValue = { ...file, added_tokens: [] };
    const { code } = refusal(original, { json: { 'tokenizer.json': tokenizer } });
    expect(code).toBe('VC1201');
  });
});

describe('a tensor that is lacking', () => {
  const decoder = 'gen_vision_model.decoder';
  const tower = 'vision_model.vision_tower';
  it.each([
    ['the last level', `${decoder}.conv_blocks.4.res.0.conv1.weight`],
    ['a level between others', `${decoder}.conv_blocks.2.res.0.conv1.weight`],
    ['the last block', `${decoder}.conv_blocks.0.res.2.conv1.weight`],
  ])('does not shorten the model: %s', (_what, name) => {
    const tensors: Changes['tensors'] = (all) => expect(all.delete(name)).toBe(true);
    expect(refusal(original, { tensors })).toEqual({ code: 'VC1221', where: JSON.stringify(name) });
  });

  it('does not shorten the tower', () => {
    const [first, last] = ['norm1.weight', 'mlp.fc2.bias'].map((name) => `${tower}.blocks.1.${name}`);
    const tensors: Changes['tensors'] = (all) => all.set(last ?? '', shaped([1]));
    expect(refusal(original, { tensors })).toEqual({ code: 'VC1221', where: JSON.stringify(first) });
  });

  it('does not leave attention out', () => {
    const attention = `${decoder}.conv_blocks.1.attn.0`;
    const [channels = 0] =
      original.tensors.get(`${decoder}.conv_blocks.1.res.0.conv2.weight`)?.tensor.shape ?? [];
    const [lacking, ...others] = ['q', 'k', 'v', 'proj_out'].map((name) => `${attention}.${name}.weight`);
    const tensors: Changes['tensors'] = (all) => {
      for (const name of others) all.set(name, shaped([channels, channels, 1, 1]));
      all.set(`${attention}.norm.weight`, shaped([channels]));
      all.set(`${attention}.norm.bias`, shaped([channels]));
    };
    expect(refusal(original, { tensors })).toEqual({ code: 'VC1221', where: JSON.stringify(lacking) });
  });
});

describe('of both layouts', () => {
  it.each([
    ['the original', () => original, 'gen_vision_model', 'vision_config.params.image_size'],
    ['the newer', () => newer, 'vqmodel', 'vision_config.image_size'],
  ])('maps that 32 groups do not divide, and pictures beyond reason: %s', (_what, of, generator, key) => {
    const wider: Changes['tensors'] = (all) => {
      for (const [name, { tensor, file }] of [...all]) {
        if (!name.includes(generator)) continue;
        const shape = tensor.shape.map((size) => (size === 64 ? 65 : size));
        all.set(name, { file, tensor: { ...tensor, shape } });
      }
    };
    expect(refusal(of(), { tensors: wider }).code).toBe('VC1222');
    const side = 257;
    const vision = of().config.vision_config as JsonObject;
    const sizes = { image_size: side * 16, num_image_tokens: side ** 2 };
    const section = generator === 'vqmodel' ? { ...vision, ...sizes } : undefined;
    const params = { ...(vision.params as JsonObject), image_size: side * 16 };
    const huge = { config: { vision_config: section ?? { ...vision, params } } };
    expect(refusal(of(), huge)).toEqual({ code: 'VC1203', where: `config.json: ${key}` });
  });
});

describe('of the newer layout', () => {
  it.each<[string, string, string, () => Changes]>([
    [
      'norms of queries and keys',
      'VC1232',
      'config.json: vision_config.use_qk_norm',
      () => section('vision_config', { use_qk_norm: true }),
    ],
    [
      'another tower',
      'VC1232',
      'config.json: vision_config.model_type',
      () => section('vision_config', { model_type: 'siglip_vision_model' }),
    ],
    [
      'another language model',
      'VC1232',
      'config.json: text_config.model_type',
      () => section('text_config', { model_type: 'qwen2' }),
    ],
    [
      'tokens that are not one for each patch',
      'VC1204',
      'config.json: vision_config.num_image_tokens, vision_config.image_size, vision_config.patch_size',
      () => section('vision_config', { num_image_tokens: 35 }),
    ],
    [
      'a generation head of another width',
      'VC1204',
      'config.json: vq_config.image_token_embed_dim',
      () => section('vq_config', { image_token_embed_dim: 2048 }),
    ],
    [
      'pictures that are not RGB',
      'VC1203',
      'config.json: vq_config.out_channels',
      () => section('vq_config', { out_channels: 4 }),
    ],
  ])('%s', (_what, code, where, changes) => {
    expect(refusal(newer, changes())).toEqual({ code, where });
  });

  it('a head that is neither there nor tied', () => {
    const tensors: Changes['tensors'] = (all) => all.delete('lm_head.weight');
    expect(refusal(newer, { tensors, config: { tie_word_embeddings: false } }).code).toBe('VC1221');
    const { components } = janus.build(changed(newer, { tensors, config: { tie_word_embeddings: true } }), {
      tiling: 'fit',
      loraTiles: 'nearest',
    });
    expect(components.map(({ id }) => id)).toContain('decoder');
  });
});
