/** What is no Janus that we know: each refusal with its code and its place, before any weight is read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { janus } from '../../../src/architectures/janus/janus.ts';
import type { Checkpoint, JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import type { JsonValue } from '../../../src/tensor/tensor.ts';
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
