/** What LLaVA's config means: defaults of the classes, old and new spelling, and what is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LlavaConfig, readLlavaConfig } from '../../../src/architectures/llava/config.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { goldenCase } from '../../support/golden-cases.ts';

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(goldenCase('llava/hf-tiny').checkpoint);
});
afterAll(() => checkpoint.close());

const read = (changes: Changes): LlavaConfig => readLlavaConfig(changed(checkpoint, changes).config);

function refusal(body: () => unknown): VlmError {
  try {
    body();
  } catch (error) {
    if (error instanceof VlmError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readLlavaConfig', () => {
  it('takes the defaults of the classes for what a config leaves out', () => {
    const config = readLlavaConfig({
      model_type: 'llava',
      vision_config: {},
      text_config: {
        vocab_size: 32064,
      },
    });
    expect(config).toEqual({
      vision: {
        width: 768,
        layers: 12,
        heads: 12,
        mlpWidth: 3072,
        activation: 'quick-gelu',
        patch: 32,
        imageSize: 224,
        epsilon: 1e-5,
      },
      text: {
        hidden: 4096,
        layers: 32,
        heads: 32,
        kvHeads: 32,
        headDim: 128,
        mlpWidth: 11008,
        activation: 'silu',
        vocab: 32064,
        maxPositions: 2048,
        epsilon: 1e-6,
        ropeBase: 10000,
        qkvBias: false,
        outputBias: false,
        mlpBias: false,
        tied: false,
        endOfTextId: 2,
      },
      featureStates: [11],
      keepsClassToken: false,
      projectorActivation: 'gelu',
      projectorBias: true,
      imageTokenId: 32000,
    });
  });

  it.each([
    ['old', { rope_theta: 500000 }, 500000],
    ['new', { rope_parameters: { rope_type: 'default', rope_theta: 20000 } }, 20000],
    ['both', { rope_theta: 5, rope_parameters: { rope_theta: 20000 } }, 20000],
    ['unscaled', { rope_theta: 7, rope_scaling: null }, 7],
  ])('reads the rotary base, %s spelling', (_, text, base) => {
    expect(read({ text }).text.ropeBase).toBe(base);
  });

  it.each([
    [-1, [3]],
    [-4, [0]],
    [0, [0]],
    [3, [3]],
    [
      [-2, 1, -1],
      [2, 1, 3],
    ],
  ])('counts feature layer %j of a tower of three as hidden states %j', (vision_feature_layer, states) => {
    expect(read({ config: { vision_feature_layer } }).featureStates).toEqual(states);
  });

  it('ties the head where either config says so', () => {
    expect(read({}).text.tied).toBe(false);
    expect(read({ config: { tie_word_embeddings: true } }).text.tied).toBe(true);
    expect(
      read({ config: { tie_word_embeddings: false }, text: { tie_word_embeddings: true } }).text.tied,
    ).toBe(true);
  });

  it('reads the image token under both of its names', () => {
    expect(read({ config: { image_token_index: 300 } }).imageTokenId).toBe(300);
    expect(read({ config: { image_token_index: undefined, image_token_id: 301 } }).imageTokenId).toBe(301);
  });

  it.each<[string, string, string, Changes]>([
    ['another language model', 'VC1232', 'text_config.model_type', { text: { model_type: 'mistral' } }],
    [
      'another tower',
      'VC1232',
      'vision_config.model_type',
      { vision: { model_type: 'siglip_vision_model' } },
    ],
    [
      'scaled rotary',
      'VC1232',
      'rope_parameters.rope_type',
      { text: { rope_parameters: { rope_type: 'yarn' } } },
    ],
    [
      'scaled rotary, old',
      'VC1232',
      'rope_scaling.type',
      { text: { rope_scaling: { type: 'dynamic', factor: 4 } } },
    ],
    ['no language model', 'VC1201', 'text_config', { config: { text_config: null } }],
    [
      'a strategy unknown',
      'VC1203',
      'vision_feature_select_strategy',
      { config: { vision_feature_select_strategy: 'cls' } },
    ],
    ['a list of no layers', 'VC1203', 'vision_feature_layer', { config: { vision_feature_layer: [] } }],
    ['a layer in a list', 'VC1203', 'vision_feature_layer[1]', { config: { vision_feature_layer: [-2, 4] } }],
    ['an image token outside', 'VC1204', 'image_token_index', { config: { image_token_index: 385 } }],
    [
      'a tower of odd heads',
      'VC1204',
      'vision_config.num_attention_heads',
      { vision: { num_attention_heads: 3 } },
    ],
    ['a patch larger than the picture', 'VC1204', 'vision_config.patch_size', { vision: { patch_size: 57 } }],
    ['a tower of grey pictures', 'VC1203', 'vision_config.num_channels', { vision: { num_channels: 1 } }],
    ['an odd head', 'VC1204', 'text_config.head_dim', { text: { head_dim: 33 } }],
    [
      'an unknown projector',
      'VC1203',
      'projector_hidden_act',
      { config: { projector_hidden_act: 'gelu_10' } },
    ],
  ])('refuses %s with %s', (_, code, where, changes) => {
    const error = refusal(() => read(changes));
    expect(error.code).toBe(code);
    expect(error.record.where).toContain(where);
  });
});
