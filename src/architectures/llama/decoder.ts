/**
 * A Llama language model, or one of its kind (Qwen2), a step with cache: prefill (no past) and decode in one graph.
 *
 *   inputs_embeds f32 [B, S, hidden], attention_mask i64 [B, P + S], position_ids i64 [3, B, S] (with ropeSections),
 *   past_key_values.N.key|value f32 [B, kvHeads, P, headDim]
 *   → logits f32 [B, S, vocab], present.N.key|value f32 [B, kvHeads, P + S, headDim]
 *
 * Rotary goes by token, padding not counted, as `generate` of transformers runs it: its position ids are the
 * running sum of the mask, less one. With `ropeSections` it goes by the time, row and column of each token, which the
 * caller gives. Source of the math: modeling_llama.py and modeling_qwen2_vl.py of transformers.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { attend, repeatHeads, splitHeads, swapHeads } from '../blocks/attention.ts';
import { decoderSlots, tokenPositions } from '../blocks/decoder-slots.ts';
import { cacheInputs, cacheOutputs, extendCache, type LayerCache } from '../blocks/kv-cache.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { gatedMlp } from '../blocks/mlp.ts';
import { readRmsNorm, rmsNorm } from '../blocks/rms-norm.ts';
import {
  inverseFrequencies,
  type RotaryTables,
  rotaryTables,
  rotate,
  sectionedRotaryTables,
} from '../blocks/rotary.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import type { LlamaConfig } from './config.ts';
import { scaleFrequencies } from './rope-scaling.ts';

/** Where the weights are: `embed_tokens`, `layers.N` and `norm` in one module, the head where a file has it. */
export interface LlamaWeights {
  readonly model: WeightReader;
  readonly head: WeightReader;
}

export interface DecoderOutputs {
  /** Name of an extra output f32 [B, S, hidden], what the head reads; left out: none. */
  readonly hidden?: string;
}

export function buildLlamaDecoder(
  { model, head }: LlamaWeights,
  config: LlamaConfig,
  outputs: DecoderOutputs = {},
): Model {
  const b = new GraphBuilder('decoder', inferNode);
  const { hidden, kvHeads, headDim, vocab, ropeSections } = config;
  const embeds = b.input('inputs_embeds', tensorType('float32', ['batch_size', 'sequence_length', hidden]));
  const mask = b.input('attention_mask', tensorType('int64', ['batch_size', 'total_sequence_length']));
  const axes = ropeSections && {
    sections: ropeSections,
    positions: b.input(
      'position_ids',
      tensorType('int64', [ropeSections.length, 'batch_size', 'sequence_length']),
    ),
  };
  const past = Array.from({ length: config.layers }, (_, layer) => cacheInputs(b, layer, kvHeads, headDim));

  const step = b.scope('slots', () => {
    const slots = decoderSlots(b, embeds, mask);
    const frequencies = scaleFrequencies(inverseFrequencies(config.ropeBase, headDim), config.ropeScaling);
    const rotary =
      axes === undefined
        ? rotaryTables(b, tokenPositions(b, slots, mask), b.float32(frequencies))
        : sectionedRotaryTables(b, axes.positions, frequencies, axes.sections);
    return { mask: slots.mask, rotary };
  });

  let x = embeds;
  const present: LayerCache[] = [];
  for (const [layer, cache] of past.entries()) {
    const block = model.at(`layers.${layer}`);
    b.scope(`layer.${layer}`, () => {
      const attended = attentionLayer(b, x, block, config, cache, step);
      present.push(attended.cache);
      x = b.op('Add', [x, attended.output]);
      x = b.op('Add', [x, feedForward(b, x, block, config)]);
    });
  }
  const [normed, logits] = b.scope('head', () => {
    const normed = rmsNorm(b, x, readRmsNorm(model.at('norm'), hidden, config.epsilon));
    // A tied checkpoint may still hold a head; loading it the reference's way would overwrite it.
    const table = config.tied ? model.at('embed_tokens') : head;
    return [normed, linear(b, normed, readLinear(table, hidden, vocab, { bias: false }))];
  });
  b.output('logits', logits);
  if (outputs.hidden !== undefined) b.output(outputs.hidden, normed);
  cacheOutputs(b, present, kvHeads, headDim);
  return createModel(b.graph, referenceOpset);
}

interface StepTables {
  readonly mask: Value;
  readonly rotary: RotaryTables;
}

function attentionLayer(
  b: GraphBuilder,
  x: Value,
  block: WeightReader,
  config: LlamaConfig,
  past: LayerCache,
  step: StepTables,
): { readonly output: Value; readonly cache: LayerCache } {
  const { hidden, heads, kvHeads, headDim, qkvBias, outputBias } = config;
  const normed = rmsNorm(b, x, readRmsNorm(block.at('input_layernorm'), hidden, config.epsilon));
  const project = (name: string, count: number): Value => {
    const weights = readLinear(block.at(`self_attn.${name}`), hidden, count * headDim, { bias: qkvBias });
    return splitHeads(b, linear(b, normed, weights), count, headDim);
  };
  const turn = (value: Value): Value => rotate(b, value, step.rotary, { rotaryDim: headDim, headDim });
  const q = turn(project('q_proj', heads));
  const k = turn(project('k_proj', kvHeads));
  const v = project('v_proj', kvHeads);
  const cache = extendCache(b, past, swapHeads(b, k), swapHeads(b, v));
  const mixed = attend(b, {
    q: swapHeads(b, q),
    k: repeatHeads(b, cache.key, config),
    v: repeatHeads(b, cache.value, config),
    heads,
    headDim,
    mask: step.mask,
  });
  const output = readLinear(block.at('self_attn.o_proj'), heads * headDim, hidden, {
    bias: outputBias,
  });
  return { output: linear(b, mixed, output), cache };
}

function feedForward(b: GraphBuilder, x: Value, block: WeightReader, config: LlamaConfig): Value {
  const { hidden, mlpWidth, mlpBias: bias } = config;
  const reader = block.at('post_attention_layernorm');
  const normed = rmsNorm(b, x, readRmsNorm(reader, hidden, config.epsilon));
  const weights = {
    up: readLinear(block.at('mlp.up_proj'), hidden, mlpWidth, { bias }),
    gate: readLinear(block.at('mlp.gate_proj'), hidden, mlpWidth, { bias }),
    down: readLinear(block.at('mlp.down_proj'), mlpWidth, hidden, { bias }),
  };
  return gatedMlp(b, normed, weights, config.activation);
}
