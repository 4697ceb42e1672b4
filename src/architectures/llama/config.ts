/**
 * What a Llama language model says in its config, validated. Absent keys mean the defaults of transformers'
 * LlamaConfig, which released files rely on.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import type { JsonValue } from '../../tensor/tensor.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import { requireVariant } from '../variants.ts';
import { type RopeScaling, readRopeScaling } from './rope-scaling.ts';

export interface LlamaConfig {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Divides `heads`: each key-value head serves heads / kvHeads query heads. */
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly activation: Activation;
  readonly vocab: number;
  /** max_position_embeddings: the trained length. */
  readonly maxPositions: number;
  readonly epsilon: number;
  readonly ropeBase: number;
  readonly ropeScaling?: RopeScaling;
  /**
   * Where a token has three positions (time, row, column): how many of a head's frequencies go by each, headDim / 2 in
   * all. The decoder then takes positions as an input.
   */
  readonly ropeSections?: readonly number[];
  /** Biases on q, k and v. */
  readonly qkvBias: boolean;
  /** A bias on what joins the heads. */
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  readonly tied: boolean;
  readonly endOfTextId: number | undefined;
}

/** What absent keys mean. */
interface LlamaDefaults {
  /** What the config says of itself, where the language model has no config of its own. */
  readonly modelType: string;
  readonly mlpWidth: number;
  readonly vocab: number;
  readonly maxPositions: number;
  /** Undefined: as many as there are heads. */
  readonly kvHeads: number | undefined;
  readonly endOfTextId: number | undefined;
}

const llamaDefaults: LlamaDefaults = {
  modelType: 'llama',
  mlpWidth: 11008,
  vocab: 32000,
  maxPositions: 2048,
  kvHeads: undefined,
  endOfTextId: 2,
};

/** @throws VlmError VC1201 to VC1204, VC1232 for another model_type or rope_type */
export function readLlamaConfig(reader: ConfigReader, others: Partial<LlamaDefaults> = {}): LlamaConfig {
  const defaults = { ...llamaDefaults, ...others };
  requireVariant(reader, 'model_type', [defaults.modelType], defaults.modelType);
  const hidden = reader.int('hidden_size', { min: 1, max: configLimits.width, default: 4096 });
  const attentionBias = reader.bool('attention_bias', { default: false });
  const heads = reader.int('num_attention_heads', { min: 1, max: configLimits.heads, default: 32 });
  const headDim = readHeadDim(reader, hidden, heads);
  const kvHeads = reader.int('num_key_value_heads', {
    min: 1,
    max: configLimits.heads,
    default: defaults.kvHeads ?? heads,
  });
  if (heads % kvHeads !== 0) {
    throw reader.conflict(
      ['num_attention_heads', 'num_key_value_heads'],
      `${heads} and ${kvHeads}`,
      'key-value heads that divide the heads',
    );
  }
  return {
    hidden,
    heads,
    kvHeads,
    headDim,
    layers: reader.int('num_hidden_layers', { min: 1, max: configLimits.layers, default: 32 }),
    mlpWidth: reader.int('intermediate_size', {
      min: 1,
      max: configLimits.width,
      default: defaults.mlpWidth,
    }),
    activation: readActivation(reader, 'hidden_act', 'silu'),
    vocab: reader.int('vocab_size', { min: 1, max: configLimits.vocab, default: defaults.vocab }),
    maxPositions: reader.int('max_position_embeddings', {
      min: 1,
      max: configLimits.slots,
      default: defaults.maxPositions,
    }),
    epsilon: reader.number('rms_norm_eps', { above: 0, max: 1, default: 1e-6 }),
    ...readRope(reader),
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: reader.bool('mlp_bias', { default: false }),
    tied: reader.bool('tie_word_embeddings', { default: false }),
    endOfTextId: reader.has('eos_token_id') ? firstId(reader.value('eos_token_id')) : defaults.endOfTextId,
  };
}

function readHeadDim(reader: ConfigReader, hidden: number, heads: number): number {
  if (!reader.has('head_dim') && hidden % heads !== 0) {
    throw reader.conflict(
      ['hidden_size', 'num_attention_heads'],
      `${hidden} and ${heads}`,
      'heads that divide the hidden size',
    );
  }
  const headDim = reader.int('head_dim', { min: 2, max: configLimits.width, default: hidden / heads });
  if (headDim % 2 !== 0) {
    throw reader.conflict(['head_dim'], `${headDim}`, 'an even number: rotary turns channels in pairs');
  }
  return headDim;
}

/** Today's files say `rope_parameters.rope_theta`, older ones `rope_theta` and perhaps `rope_scaling`. */
function readRope(reader: ConfigReader): Pick<LlamaConfig, 'ropeBase' | 'ropeScaling'> {
  const range = { above: 0, max: 1e12 };
  const base = reader.number('rope_theta', { ...range, default: 10000 });
  for (const key of ['rope_parameters', 'rope_scaling']) {
    const parameters = reader.optionalObject(key);
    if (parameters === undefined) continue;
    const ropeScaling = readRopeScaling(parameters);
    if (ropeScaling === undefined && !parameters.has('rope_theta')) continue;
    return {
      ropeBase: parameters.number('rope_theta', { ...range, default: base }),
      ...(ropeScaling === undefined ? {} : { ropeScaling }),
    };
  }
  return { ropeBase: base };
}

/** Configs name one end of text or several; nothing depends on it but generation. */
function firstId(value: JsonValue | undefined): number | undefined {
  const id = Array.isArray(value) ? value[0] : value;
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}
