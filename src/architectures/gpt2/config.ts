/**
 * What a GPT-2 checkpoint says in config.json, validated. Absent keys mean the defaults of transformers' GPT2Config,
 * which released files rely on.
 */
import { type ConfigReader, configLimits } from '../../formats/checkpoint/config.ts';
import { fail } from '../../report/diagnostics.ts';
import { type Activation, readActivation } from '../blocks/activation.ts';
import { readWidthAndHeads } from '../config-shapes.ts';

export interface Gpt2Config {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly mlpWidth: number;
  readonly activation: Activation;
  readonly vocab: number;
  /** Rows of the position table: no more tokens can be told apart. */
  readonly maxPositions: number;
  readonly epsilon: number;
  readonly tied: boolean;
  readonly endOfTextId: number;
}

/** Options that compute something else, with the one value that is built. */
const fixed: readonly (readonly [key: string, value: boolean])[] = [
  ['scale_attn_weights', true],
  ['scale_attn_by_inverse_layer_idx', false],
  ['add_cross_attention', false],
];

/** @throws VlmError VC1201 to VC1204, VC1232 for variants of the attention */
export function readGpt2Config(reader: ConfigReader): Gpt2Config {
  for (const [key, value] of fixed) {
    if (reader.bool(key, { default: value }) === value) continue;
    throw fail('VC1232', { where: reader.place(key), found: String(!value), expected: String(value) });
  }
  const { width: hidden, heads } = readWidthAndHeads(reader, {
    width: { key: 'n_embd', default: 768 },
    heads: { key: 'n_head', default: 12 },
  });
  return {
    hidden,
    heads,
    headDim: hidden / heads,
    layers: reader.int('n_layer', { min: 1, max: configLimits.layers, default: 12 }),
    mlpWidth: reader.int('n_inner', { min: 1, max: configLimits.width, default: 4 * hidden }),
    activation: readActivation(reader, 'activation_function', 'gelu_new'),
    vocab: reader.int('vocab_size', { min: 1, max: configLimits.vocab, default: 50257 }),
    maxPositions: reader.int('n_positions', { min: 1, max: configLimits.slots, default: 1024 }),
    epsilon: reader.number('layer_norm_epsilon', { above: 0, max: 1, default: 1e-5 }),
    tied: reader.bool('tie_word_embeddings', { default: true }),
    endOfTextId: reader.int('eos_token_id', { max: configLimits.vocab, default: 50256 }),
  };
}
