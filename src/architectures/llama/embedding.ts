/** The embedding of text ids in a module that has Llama's names. */
import { zeros } from '../../tensor/derived/fill.ts';
import { concat } from '../../tensor/derived/join.ts';
import type { Weight, WeightReader } from '../blocks/weights.ts';
import type { LlamaConfig } from './config.ts';

/**
 * Its table [vocab, hidden], of `embed_tokens`. An id behind the vocabulary, in whose place features come, gets a row of
 * zeros: [vocab + 1, hidden].
 */
export function textEmbedding(
  model: WeightReader,
  { vocab, hidden }: Pick<LlamaConfig, 'vocab' | 'hidden'>,
  featureId = 0,
): Weight {
  const { name, tensor } = model.at('embed_tokens').take('weight', [vocab, hidden]);
  if (featureId < vocab) return { name, tensor };
  return { name, tensor: concat([tensor, zeros(tensor.dtype, [1, hidden])]) };
}
