/**
 * What a Qwen2-VL checkpoint says in config.json, validated. The language model's values stand at the root, as in the
 * release, or in `text_config`, as transformers saves them today. Absent keys mean the defaults of transformers'
 * Qwen2VLConfig.
 */
import type { JsonObject } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { refuseWindows } from '../qwen2/config.ts';
import { requireVariant } from '../variants.ts';

export interface Qwen2VlVisionConfig {
  /** embed_dim: the tower's own width. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** A multiple of 4: half of its channels turn by the row of a patch, half by the column, in pairs. */
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly activation: Activation;
  /** Side of a patch, in pixels. */
  readonly patch: number;
  /** merge · merge neighbouring patches make one token. */
  readonly merge: number;
  /** Frames of a video that one patch holds; a picture counts as so many equal ones. */
  readonly frames: number;
  readonly ropeBase: number;
}

export interface Qwen2VlConfig {
  readonly text: LlamaConfig & { readonly ropeSections: readonly number[] };
  readonly vision: Qwen2VlVisionConfig;
  /** `<|image_pad|>`, once per token of a picture. */
  readonly imageTokenId: number;
  /** `<|video_pad|>` */
  readonly videoTokenId: number;
  /** Ids below this are ordinary text: special tokens follow the others. */
  readonly textIds: number;
}

/** @throws VlmError VC12xx naming the key, what was found and what was expected */
export function readQwen2VlConfig(config: JsonObject): Qwen2VlConfig {
  const root = new ConfigReader(config);
  const textReader = root.optionalObject('text_config') ?? root;
  // Either config may say that the head is the embedding table.
  const tied = [root, textReader].some((reader) => reader.bool('tie_word_embeddings', { default: false }));
  const text = { ...readText(textReader), tied };
  const visionReader = root.object('vision_config');
  const vision = readVision(visionReader);
  const width = visionReader.int('hidden_size', { min: 1, max: configLimits.width, default: 3584 });
  if (width !== text.hidden) {
    throw root.conflict(
      ['vision_config.hidden_size', 'hidden_size'],
      `${width} and ${text.hidden}`,
      'equal: image features take the place of embeddings',
    );
  }
  const id = (key: string, fallback: number): number => {
    const found = root.int(key, { min: 1, max: configLimits.vocab, default: fallback });
    if (found < text.vocab) return found;
    throw root.conflict([key, 'vocab_size'], `${found} and ${text.vocab}`, 'an id inside the vocabulary');
  };
  const imageTokenId = id('image_token_id', 151655);
  const videoTokenId = id('video_token_id', 151656);
  const specials = [
    ...[imageTokenId, videoTokenId, text.endOfTextId, firstId(textReader.value('bos_token_id'))],
    ...['vision_start_token_id', 'vision_end_token_id'].map((key) => firstId(root.value(key))),
  ].filter((value) => value !== undefined);
  return { text, vision, imageTokenId, videoTokenId, textIds: Math.min(...specials) };
}

function readText(reader: ConfigReader): Omit<Qwen2VlConfig['text'], 'tied'> {
  requireVariant(reader, 'model_type', ['qwen2_vl', 'qwen2_vl_text'], 'qwen2_vl');
  refuseWindows(reader);
  const hidden = reader.int('hidden_size', { min: 1, max: configLimits.width, default: 8192 });
  const heads = reader.int('num_attention_heads', { min: 1, max: configLimits.heads, default: 64 });
  const kvHeads = reader.int('num_key_value_heads', { min: 1, max: configLimits.heads, default: 8 });
  if (hidden % heads !== 0 || heads % kvHeads !== 0) {
    throw reader.conflict(
      ['hidden_size', 'num_attention_heads', 'num_key_value_heads'],
      `${hidden}, ${heads} and ${kvHeads}`,
      'heads that divide the hidden size, and key-value heads that divide the heads',
    );
  }
  const headDim = hidden / heads;
  const endOfTextId = firstId(reader.value('eos_token_id'));
  return {
    hidden,
    heads,
    kvHeads,
    headDim,
    layers: reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 80 }),
    mlpWidth: reader.int('intermediate_size', { min: 1, max: configLimits.width, default: 29568 }),
    activation: readActivation(reader, 'hidden_act', 'silu'),
    vocab: reader.int('vocab_size', { min: 1, max: configLimits.vocab, default: 152064 }),
    maxPositions: reader.int('max_position_embeddings', { min: 1, max: configLimits.slots, default: 32768 }),
    epsilon: reader.number('rms_norm_eps', { above: 0, max: 1, default: 1e-5 }),
    ...readRope(reader, headDim),
    qkvBias: true,
    outputBias: false,
    mlpBias: false,
    endOfTextId,
  };
}

/**
 * The release says `rope_theta` and `rope_scaling`, today's files `rope_parameters`; both name the sections. The type
 * is `mrope`, which later versions write as `default`: frequencies are not scaled.
 */
function readRope(
  reader: ConfigReader,
  headDim: number,
): { readonly ropeBase: number; readonly ropeSections: readonly number[] } {
  const range = { above: 0, max: 1e12 };
  const key = reader.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling';
  const parameters = reader.object(key);
  for (const name of ['type', 'rope_type']) {
    requireVariant(parameters, name, ['mrope', 'default'], 'mrope');
  }
  const ropeSections = parameters.ints('mrope_section', { length: 3, max: configLimits.width });
  const sum = ropeSections.reduce((total, length) => total + length, 0);
  if (headDim % 2 !== 0 || sum !== headDim / 2) {
    throw reader.conflict(
      [`${key}.mrope_section`, 'hidden_size', 'num_attention_heads'],
      `[${ropeSections}] for heads of ${headDim} channels`,
      'sections that are half a head in all',
    );
  }
  const base = reader.number('rope_theta', { ...range, default: 1e6 });
  return { ropeBase: parameters.number('rope_theta', { ...range, default: base }), ropeSections };
}

function readVision(reader: ConfigReader): Qwen2VlVisionConfig {
  requireVariant(reader, 'model_type', ['qwen2_vl', 'qwen2_vl_vision'], 'qwen2_vl');
  const width = reader.int('embed_dim', { min: 1, max: configLimits.width, default: 1280 });
  const heads = reader.int('num_heads', { min: 1, max: configLimits.heads, default: 16 });
  if (width % (4 * heads) !== 0) {
    throw reader.conflict(
      ['embed_dim', 'num_heads'],
      `${width} and ${heads}`,
      'heads of a multiple of 4 channels: rows and columns turn half of them each, in pairs',
    );
  }
  const ratio = reader.number('mlp_ratio', { above: 0, max: 1024, default: 4 });
  const mlpWidth = Math.trunc(width * ratio);
  if (mlpWidth < 1) {
    throw reader.conflict(['embed_dim', 'mlp_ratio'], `${width} and ${ratio}`, 'at least one channel');
  }
  // Pictures are RGB all the way from the processor.
  for (const key of ['in_chans', 'in_channels']) reader.int(key, { min: 3, max: 3, default: 3 });
  const rope = reader.optionalObject('rope_parameters');
  return {
    width,
    heads,
    headDim: width / heads,
    layers: reader.int('depth', { min: 1, max: configLimits.layers, default: 32 }),
    mlpWidth,
    activation: readActivation(reader, 'hidden_act', 'quick_gelu'),
    patch: reader.int('patch_size', { min: 1, max: configLimits.side, default: 14 }),
    merge: reader.int('spatial_merge_size', { min: 1, max: 64, default: 2 }),
    frames: reader.int('temporal_patch_size', { min: 1, max: 64, default: 2 }),
    ropeBase: rope?.number('rope_theta', { above: 0, max: 1e12, default: 10000 }) ?? 10000,
  };
}

/** Configs name one id or several. */
function firstId(value: JsonValue | undefined): number | undefined {
  const id = Array.isArray(value) ? value[0] : value;
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}
