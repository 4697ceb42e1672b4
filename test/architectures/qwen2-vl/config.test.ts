/** What a Qwen2-VL config means in its two spellings, and what is refused, each with its code and the key. */
import { describe, expect, it } from 'vitest';
import { readQwen2VlConfig } from '../../../src/architectures/qwen2-vl/config.ts';
import type { JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';

const text = {
  hidden_size: 1536,
  num_hidden_layers: 28,
  num_attention_heads: 12,
  num_key_value_heads: 2,
  intermediate_size: 8960,
  vocab_size: 151936,
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  bos_token_id: 151643,
  eos_token_id: 151645,
};

/** Qwen2-VL-2B as released. */
const flat = {
  ...text,
  model_type: 'qwen2_vl',
  rope_theta: 1000000.0,
  rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
  tie_word_embeddings: true,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  image_token_id: 151655,
  video_token_id: 151656,
  use_sliding_window: false,
  vision_config: {
    depth: 32,
    embed_dim: 1280,
    mlp_ratio: 4,
    num_heads: 16,
    in_chans: 3,
    hidden_size: 1536,
    patch_size: 14,
    spatial_merge_size: 2,
    spatial_patch_size: 14,
    temporal_patch_size: 2,
  },
};

const { image_token_id, video_token_id, vision_config } = flat;

/** The same as transformers saves it today. */
const nested = {
  model_type: 'qwen2_vl',
  image_token_id,
  video_token_id,
  tie_word_embeddings: true,
  text_config: {
    ...text,
    model_type: 'qwen2_vl_text',
    rope_parameters: {
      rope_theta: 1000000.0,
      mrope_section: [16, 24, 24],
      rope_type: 'default',
      type: 'mrope',
    },
  },
  vision_config: {
    ...vision_config,
    in_channels: 3,
    hidden_act: 'quick_gelu',
    model_type: 'qwen2_vl_vision',
  },
};

it('reads the release', () => {
  expect(readQwen2VlConfig(flat)).toEqual({
    text: {
      hidden: 1536,
      layers: 28,
      heads: 12,
      kvHeads: 2,
      headDim: 128,
      mlpWidth: 8960,
      activation: 'silu',
      vocab: 151936,
      maxPositions: 32768,
      epsilon: 1e-6,
      ropeBase: 1e6,
      ropeSections: [16, 24, 24],
      qkvBias: true,
      outputBias: false,
      mlpBias: false,
      tied: true,
      endOfTextId: 151645,
    },
    vision: {
      width: 1280,
      layers: 32,
      heads: 16,
      headDim: 80,
      mlpWidth: 5120,
      activation: 'quick-gelu',
      patch: 14,
      merge: 2,
      frames: 2,
      ropeBase: 10000,
    },
    imageTokenId: 151655,
    videoTokenId: 151656,
    textIds: 151643,
  });
});

it('reads the same from the nested form', () => {
  expect(readQwen2VlConfig(nested)).toEqual(readQwen2VlConfig(flat));
});

it('takes a base of the rotary from the key of its time', () => {
  expect(readQwen2VlConfig({ ...flat, rope_theta: 10 }).text.ropeBase).toBe(10);
  const { text_config } = nested;
  const parameters = { ...text_config.rope_parameters, rope_theta: 500 };
  const config = { ...nested, text_config: { ...text_config, rope_parameters: parameters } };
  expect(readQwen2VlConfig(config).text.ropeBase).toBe(500);
});

interface Refused {
  readonly what: string;
  readonly code: string;
  readonly where: string;
  readonly config: JsonObject;
}

const vision = (changes: JsonObject): JsonObject => ({
  ...flat,
  vision_config: { ...vision_config, ...changes },
});

const refused: readonly Refused[] = [
  { what: 'no sections', code: 'VC1201', where: 'rope_scaling', config: { ...flat, rope_scaling: null } },
  {
    what: 'sections of another head',
    code: 'VC1204',
    where: 'mrope_section',
    config: { ...flat, rope_scaling: { type: 'mrope', mrope_section: [16, 24, 23] } },
  },
  {
    what: 'two sections',
    code: 'VC1203',
    where: 'mrope_section',
    config: { ...flat, rope_scaling: { type: 'mrope', mrope_section: [32, 32] } },
  },
  {
    what: 'scaled frequencies',
    code: 'VC1232',
    where: 'rope_scaling.type',
    config: { ...flat, rope_scaling: { type: 'yarn', factor: 4, mrope_section: [16, 24, 24] } },
  },
  {
    what: 'windows',
    code: 'VC1204',
    where: 'use_sliding_window',
    config: { ...flat, use_sliding_window: true },
  },
  {
    what: 'another width',
    code: 'VC1204',
    where: 'vision_config.hidden_size',
    config: vision({ hidden_size: 8 }),
  },
  { what: 'heads of 6 channels', code: 'VC1204', where: 'embed_dim', config: vision({ embed_dim: 96 }) },
  { what: 'grey pictures', code: 'VC1203', where: 'in_channels', config: vision({ in_channels: 1 }) },
  { what: 'no vision', code: 'VC1201', where: 'vision_config', config: { ...flat, vision_config: null } },
  {
    what: 'an image token outside',
    code: 'VC1204',
    where: 'image_token_id',
    config: { ...flat, image_token_id: 151936 },
  },
  {
    what: 'Qwen2.5-VL under the name',
    code: 'VC1232',
    where: 'vision_config.model_type',
    config: vision({ model_type: 'qwen2_5_vl' }),
  },
];

describe('refuses', () => {
  it.each(refused)('$what', ({ code, where, config }) => {
    expect(() => readQwen2VlConfig(config)).toThrow(VlmError);
    try {
      readQwen2VlConfig(config);
    } catch (error) {
      expect((error as VlmError).code).toBe(code);
      expect((error as VlmError).record.where).toContain(where);
    }
  });
});
