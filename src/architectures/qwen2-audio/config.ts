/**
 * What a Qwen2-Audio checkpoint says in config.json, validated. Absent keys mean the defaults of transformers'
 * Qwen2AudioConfig and Qwen2Config: the release leaves out the sizes of its language model.
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import type { EncoderConfig } from '../blocks/encoder-layer.ts';
import { readWidthAndHeads } from '../config-shapes.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { readQwen2Config } from '../qwen2/config.ts';
import { requireVariant } from '../variants.ts';

export interface AudioTowerConfig extends EncoderConfig {
  readonly layers: number;
  /** Mel bands of a frame. */
  readonly bands: number;
  /** Rows of the position table: two frames each. */
  readonly positions: number;
}

export interface Qwen2AudioConfig {
  readonly text: LlamaConfig;
  readonly audio: AudioTowerConfig;
  /** `<|AUDIO|>`, once per token of a sound. */
  readonly audioTokenId: number;
  /** Ids below this are ordinary text: special tokens follow the others. */
  readonly textIds: number;
}

/** @throws VlmError VC12xx naming the key, what was found and what was expected */
export function readQwen2AudioConfig(config: JsonObject): Qwen2AudioConfig {
  const root = new ConfigReader(config);
  const textReader = root.optionalObject('text_config') ?? new ConfigReader({}, 'config.json', 'text_config');
  const own = readQwen2Config(textReader);
  // Either config may say that the head is the embedding table.
  const text = { ...own, tied: own.tied || root.bool('tie_word_embeddings', { default: false }) };
  const key = root.has('audio_token_id') ? 'audio_token_id' : 'audio_token_index';
  const audioTokenId = root.int(key, { min: 1, max: configLimits.vocab, default: 151646 });
  if (audioTokenId >= text.vocab) {
    const found = `${audioTokenId} and ${text.vocab}`;
    throw root.conflict([key, 'text_config.vocab_size'], found, 'an id inside the vocabulary');
  }
  const specials = ['bos_token_id', 'eos_token_id', 'pad_token_id']
    .flatMap((name) => textReader.value(name))
    .filter((id) => typeof id === 'number')
    .filter((id) => Number.isSafeInteger(id) && id > 0);
  const audioReader =
    root.optionalObject('audio_config') ?? new ConfigReader({}, 'config.json', 'audio_config');
  return { text, audio: readTower(audioReader), audioTokenId, textIds: Math.min(audioTokenId, ...specials) };
}

function readTower(reader: ConfigReader): AudioTowerConfig {
  requireVariant(reader, 'model_type', ['qwen2_audio_encoder'], 'qwen2_audio_encoder');
  const { width, heads } = readWidthAndHeads(reader, {
    width: { key: 'd_model', default: 1280 },
    heads: { key: 'encoder_attention_heads', default: 20 },
  });
  const activation: Activation = readActivation(reader, 'activation_function', 'gelu');
  return {
    width,
    heads,
    activation,
    mlpWidth: reader.int('encoder_ffn_dim', { min: 1, max: configLimits.width, default: 5120 }),
    layers: reader.int('encoder_layers', { min: 1, max: configLimits.layers, default: 32 }),
    bands: reader.int('num_mel_bins', { min: 1, max: 1024, default: 128 }),
    // Two make a token.
    positions: reader.int('max_source_positions', { min: 2, max: maxPositions, default: 1500 }),
    // That of torch, which no config names.
    epsilon: 1e-5,
    names: {
      norm1: 'self_attn_layer_norm',
      norm2: 'final_layer_norm',
      up: 'fc1',
      down: 'fc2',
      unbiased: ['k_proj'],
    },
  };
}

/** Ten minutes, where scores of every position with every other take 3.6 GB per head. */
const maxPositions = 30_000;
