/**
 * What Qwen-VL and Monkey say in config.json, validated. The language model is QWen-7B's, the tower a vision
 * transformer with a resampler; `visual` describes the latter.
 */

import type { Checkpoint } from '../../formats/checkpoint/checkpoint.ts';
import { ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { resamplerHeads } from '../blocks/resampler.ts';
import type { Size } from '../media.ts';

export interface QwenTextConfig {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** kv_channels; heads · headDim = hidden. */
  readonly headDim: number;
  /** Width of one branch: half of intermediate_size. */
  readonly mlpWidth: number;
  readonly vocab: number;
  /** Trained length: where NTK scaling and logn attention begin. */
  readonly seqLength: number;
  readonly epsilon: number;
  readonly ropeBase: number;
  /** Channels of a head that rotate. */
  readonly rotaryDim: number;
  readonly dynamicNtk: boolean;
  readonly logn: boolean;
  /** Biases on every linear, not only on c_attn. */
  readonly biases: boolean;
  readonly tied: boolean;
}

export interface QwenVisualConfig {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly patch: number;
  /** What the reference resizes pictures to. */
  readonly imageSize: Size;
  readonly outputDim: number;
  /** Undefined where the config leaves it to the weights. */
  readonly queries: number | undefined;
  /** Id of `<img>`; `</img>` and `<imgpad>` follow it. */
  readonly imageStartId: number;
  /** lora_repeat_num; undefined in families without adapters. */
  readonly adapters: number | undefined;
}

export interface QwenConfig {
  readonly text: QwenTextConfig;
  readonly visual: QwenVisualConfig;
}

/** Throws VC12xx naming the key, what was found and what was expected. */
export function readQwenConfig(checkpoint: Checkpoint): QwenConfig {
  const root = new ConfigReader(checkpoint.config);
  const text = readText(root);
  const visual = readVisual(root.object('visual'));
  if (visual.outputDim !== text.hidden) {
    throw root.conflict(
      ['visual.output_dim', 'hidden_size'],
      `${visual.outputDim} and ${text.hidden}`,
      'equal: image features take the place of embeddings',
    );
  }
  if (visual.imageStartId + 2 >= text.vocab) {
    throw root.conflict(
      ['visual.image_start_id', 'vocab_size'],
      `${visual.imageStartId} and ${text.vocab}`,
      'ids of <img>, </img> and <imgpad>, which follow each other, inside the vocabulary',
    );
  }
  return { text, visual };
}

function readText(root: ConfigReader): QwenTextConfig {
  const hidden = root.int('hidden_size', { min: 1, max: configLimits.width });
  const heads = root.int('num_attention_heads', { min: 1, max: configLimits.heads });
  const headDim = root.int('kv_channels', { min: 1, max: configLimits.width });
  if (heads * headDim !== hidden) {
    throw root.conflict(
      ['hidden_size', 'num_attention_heads', 'kv_channels'],
      `${hidden}, ${heads}, ${headDim}`,
      'num_attention_heads · kv_channels = hidden_size',
    );
  }
  const intermediate = root.int('intermediate_size', { min: 2, max: configLimits.width });
  if (intermediate % 2 !== 0) {
    throw root.conflict(['intermediate_size'], `${intermediate}`, 'an even number: two branches share it');
  }
  return {
    hidden,
    layers: root.int('num_hidden_layers', { min: 1, max: configLimits.layers }),
    heads,
    headDim,
    mlpWidth: intermediate / 2,
    vocab: root.int('vocab_size', { min: 1, max: configLimits.vocab }),
    seqLength: root.int('seq_length', { min: 2, max: configLimits.slots }),
    epsilon: root.number('layer_norm_epsilon', { above: 0, max: 1, default: 1e-6 }),
    ropeBase: root.number('rotary_emb_base', { above: 0, max: 1e12, default: 10000 }),
    rotaryDim: readRotaryDim(root, headDim),
    dynamicNtk: root.bool('use_dynamic_ntk', { default: true }),
    logn: root.bool('use_logn_attn', { default: true }),
    biases: !root.bool('no_bias', { default: true }),
    tied: root.bool('tie_word_embeddings', { default: false }),
  };
}

/** rotary_pct of a head's channels, rounded down; NTK scaling divides by this number less 2. */
function readRotaryDim(root: ConfigReader, headDim: number): number {
  const part = root.number('rotary_pct', { min: 0, max: 1, default: 1 });
  const rotaryDim = Math.trunc(headDim * part);
  if (rotaryDim % 2 !== 0 || rotaryDim < 4) {
    throw root.conflict(
      ['kv_channels', 'rotary_pct'],
      `${headDim} and ${part}, which is ${rotaryDim} rotating channels`,
      'an even number of at least 4',
    );
  }
  return rotaryDim;
}

function readVisual(visual: ConfigReader): QwenVisualConfig {
  const width = visual.int('width', { min: 1, max: configLimits.width });
  const heads = visual.int('heads', { min: 1, max: configLimits.heads });
  if (width % heads !== 0) {
    throw visual.conflict(['width', 'heads'], `${width} and ${heads}`, 'heads that divide the width');
  }
  const ratio = visual.number('mlp_ratio', { above: 0, max: 1024 });
  const mlpWidth = Math.trunc(width * ratio);
  if (mlpWidth < 1) {
    throw visual.conflict(['width', 'mlp_ratio'], `${width} and ${ratio}`, 'at least one channel');
  }
  const outputDim = visual.int('output_dim', { min: 1, max: configLimits.width });
  const poolHeads = resamplerHeads(outputDim);
  if (poolHeads < 1 || outputDim % poolHeads !== 0) {
    throw visual.conflict(
      ['output_dim'],
      `${outputDim}, which is ${poolHeads} resampler heads`,
      'at least 128, and a multiple of floor(output_dim / 128)',
    );
  }
  return {
    width,
    heads,
    layers: visual.int('layers', { min: 1, max: configLimits.layers }),
    mlpWidth,
    patch: visual.int('patch_size', { min: 1, max: configLimits.side }),
    imageSize: readImageSize(visual),
    outputDim,
    queries: visual.has('n_queries')
      ? visual.int('n_queries', { min: 1, max: configLimits.width })
      : undefined,
    imageStartId: visual.int('image_start_id', { min: 1, max: configLimits.vocab }),
    adapters: visual.has('lora_repeat_num')
      ? visual.int('lora_repeat_num', { min: 0, max: configLimits.layers })
      : undefined,
  };
}

/** A number is the side of a square, a pair is (height, width). */
function readImageSize(visual: ConfigReader): Size {
  const range = { min: 1, max: configLimits.side };
  if (!Array.isArray(visual.value('image_size'))) {
    const side = visual.int('image_size', range);
    return { width: side, height: side };
  }
  const [height = 0, width = 0] = visual.ints('image_size', { ...range, length: 2 });
  return { width, height };
}
