/**
 * A GPT-2 language model, a step with cache: prefill (no past) and decode in one graph.
 *
 *   inputs_embeds f32 [B, S, hidden], attention_mask i64 [B, P + S],
 *   past_key_values.N.key|value f32 [B, heads, P, headDim]
 *   → logits f32 [B, S, vocab], present.N.key|value f32 [B, heads, P + S, headDim]
 *
 * Learned positions go by token, padding not counted, as `generate` of transformers runs it. Linear weights are
 * stored [in, out] (Conv1D). Source of the math: modeling_gpt2.py of transformers.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { attend, splitHeads, splitQkv, swapHeads } from '../blocks/attention.ts';
import { decoderSlots, tokenPositions } from '../blocks/decoder-slots.ts';
import { cacheInputs, cacheOutputs, extendCache, type LayerCache } from '../blocks/kv-cache.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readConv1d, readLinear } from '../blocks/linear.ts';
import { mlp } from '../blocks/mlp.ts';
import { initializer, type WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import type { Gpt2Config } from './config.ts';

/** Where the weights are: `wte`, `wpe`, `h.N` and `ln_f` in one module, the head where a file has it. */
export interface Gpt2Weights {
  readonly model: WeightReader;
  readonly head: WeightReader;
}

export function buildGpt2Decoder({ model, head }: Gpt2Weights, config: Gpt2Config): Model {
  const b = new GraphBuilder('decoder', inferNode);
  const { hidden, heads, headDim, vocab, maxPositions, epsilon } = config;
  const embeds = b.input('inputs_embeds', tensorType('float32', ['batch_size', 'sequence_length', hidden]));
  const mask = b.input('attention_mask', tensorType('int64', ['batch_size', 'total_sequence_length']));
  const past = Array.from({ length: config.layers }, (_, layer) => cacheInputs(b, layer, heads, headDim));

  const step = b.scope('slots', () => {
    const slots = decoderSlots(b, embeds, mask);
    const table = initializer(b, model.at('wpe').take('weight', [maxPositions, hidden]));
    const positions = b.op('Gather', [table, tokenPositions(b, slots, mask)], { attributes: { axis: 0 } });
    return { mask: slots.mask, positions };
  });

  let x = b.op('Add', [embeds, step.positions]);
  const present: LayerCache[] = [];
  for (const [layer, cache] of past.entries()) {
    const block = model.at(`h.${layer}`);
    b.scope(`layer.${layer}`, () => {
      const attended = attentionLayer(b, x, block, config, cache, step.mask);
      present.push(attended.cache);
      x = b.op('Add', [x, attended.output]);
      const normed = layerNorm(b, x, readLayerNorm(block.at('ln_2'), hidden, epsilon));
      const weights = {
        up: readConv1d(block.at('mlp.c_fc'), hidden, config.mlpWidth),
        down: readConv1d(block.at('mlp.c_proj'), config.mlpWidth, hidden),
      };
      x = b.op('Add', [x, mlp(b, normed, weights, config.activation)]);
    });
  }
  const logits = b.scope('head', () => {
    const normed = layerNorm(b, x, readLayerNorm(model.at('ln_f'), hidden, epsilon));
    const table = config.tied ? model.at('wte') : head;
    return linear(b, normed, readLinear(table, hidden, vocab, { bias: false }));
  });
  b.output('logits', logits);
  cacheOutputs(b, present, heads, headDim);
  return createModel(b.graph, referenceOpset);
}

function attentionLayer(
  b: GraphBuilder,
  x: Value,
  block: WeightReader,
  { hidden, heads, headDim, epsilon }: Gpt2Config,
  past: LayerCache,
  mask: Value,
): { readonly output: Value; readonly cache: LayerCache } {
  const normed = layerNorm(b, x, readLayerNorm(block.at('ln_1'), hidden, epsilon));
  const joined = linear(b, normed, readConv1d(block.at('attn.c_attn'), hidden, 3 * hidden));
  const [q, k, v] = splitQkv(b, joined, hidden);
  const split = (value: Value): Value => swapHeads(b, splitHeads(b, value, heads, headDim));
  const cache = extendCache(b, past, split(k), split(v));
  const mixed = attend(b, { q: split(q), k: cache.key, v: cache.value, heads, headDim, mask });
  return { output: linear(b, mixed, readConv1d(block.at('attn.c_proj'), hidden, hidden)), cache };
}
