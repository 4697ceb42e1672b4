/**
 * The language model of Qwen-VL and Monkey, a step with cache: prefill (no past) and decode in one graph.
 *
 *   inputs_embeds f32 [B, S, hidden], attention_mask i64 [B, P + S], rope_length i64 [] (slots of the prefill),
 *   past_key_values.N.key|value f32 [B, heads, P, headDim]
 *   → logits f32 [B, S, vocab], present.N.key|value f32 [B, heads, P + S, headDim]
 *
 * Rotary and logn go by slot, padding included, as the reference runs them. Source of the math:
 * modeling_qwen.py of the Qwen-VL release.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import { attend, splitHeads, splitQkv, swapHeads } from '../blocks/attention.ts';
import { decoderSlots } from '../blocks/decoder-slots.ts';
import { cacheInputs, cacheOutputs, extendCache, type LayerCache } from '../blocks/kv-cache.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { gatedMlp } from '../blocks/mlp.ts';
import { readRmsNorm, rmsNorm } from '../blocks/rms-norm.ts';
import { type RotaryTables, rotaryTables, rotate } from '../blocks/rotary.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import type { QwenTextConfig } from './config.ts';
import { ntkTable, scaledFrequencies } from './rope.ts';

export function buildDecoder(weights: WeightReader, config: QwenTextConfig): Model {
  const b = new GraphBuilder('decoder', inferNode);
  const { hidden, heads, headDim, vocab } = config;
  const embeds = b.input('inputs_embeds', tensorType('float32', ['batch_size', 'sequence_length', hidden]));
  const mask = b.input('attention_mask', tensorType('int64', ['batch_size', 'total_sequence_length']));
  const ropeLength = config.dynamicNtk ? b.input('rope_length', tensorType('int64', [])) : undefined;
  const past = Array.from({ length: config.layers }, (_, layer) => cacheInputs(b, layer, heads, headDim));

  const step = b.scope('slots', () => {
    const slots = decoderSlots(b, embeds, mask);
    return {
      mask: slots.mask,
      rotary: rotaryTables(b, slots.positions, frequencies(b, config, ropeLength)),
      logn: config.logn ? lognFactors(b, slots.positions, config.seqLength) : undefined,
    };
  });

  let x = embeds;
  const present: LayerCache[] = [];
  for (const [layer, cache] of past.entries()) {
    const block = weights.at(`transformer.h.${layer}`);
    b.scope(`layer.${layer}`, () => {
      const attended = attentionLayer(b, x, block, config, cache, step);
      present.push(attended.cache);
      x = b.op('Add', [x, attended.output]);
      x = b.op('Add', [x, feedForward(b, x, block, config)]);
    });
  }
  const logits = b.scope('head', () => {
    const normed = rmsNorm(b, x, readRmsNorm(weights.at('transformer.ln_f'), hidden, config.epsilon));
    // A tied checkpoint may still hold an lm_head; loading it the reference's way would overwrite it.
    const head = weights.at(config.tied ? 'transformer.wte' : 'lm_head');
    return linear(b, normed, readLinear(head, hidden, vocab, { bias: false }));
  });
  b.output('logits', logits);
  cacheOutputs(b, present, heads, headDim);
  return createModel(b.graph, referenceOpset);
}

interface StepTables {
  readonly mask: Value;
  readonly rotary: RotaryTables;
  readonly logn: Value | undefined;
}

function attentionLayer(
  b: GraphBuilder,
  x: Value,
  block: WeightReader,
  config: QwenTextConfig,
  past: LayerCache,
  step: StepTables,
): { readonly output: Value; readonly cache: LayerCache } {
  const { hidden, heads, headDim, biases } = config;
  const normed = rmsNorm(b, x, readRmsNorm(block.at('ln_1'), hidden, config.epsilon));
  const projected = linear(
    b,
    normed,
    readLinear(block.at('attn.c_attn'), hidden, 3 * hidden, { bias: true }),
  );
  const [q, k, v] = splitQkv(b, projected, hidden);
  const turn = (value: Value): Value => rotate(b, splitHeads(b, value, heads, headDim), step.rotary, config);
  const turned = turn(q);
  const queries = step.logn === undefined ? turned : b.op('Mul', [turned, step.logn]);
  const cache = extendCache(b, past, swapHeads(b, turn(k)), swapHeads(b, splitHeads(b, v, heads, headDim)));
  const mixed = attend(b, {
    q: swapHeads(b, queries),
    k: cache.key,
    v: cache.value,
    heads,
    headDim,
    mask: step.mask,
  });
  return {
    output: linear(b, mixed, readLinear(block.at('attn.c_proj'), hidden, hidden, { bias: biases })),
    cache,
  };
}

function feedForward(b: GraphBuilder, x: Value, block: WeightReader, config: QwenTextConfig): Value {
  const { hidden, mlpWidth, biases: bias } = config;
  const normed = rmsNorm(b, x, readRmsNorm(block.at('ln_2'), hidden, config.epsilon));
  const weights = {
    up: readLinear(block.at('mlp.w1'), hidden, mlpWidth, { bias }),
    gate: readLinear(block.at('mlp.w2'), hidden, mlpWidth, { bias }),
    down: readLinear(block.at('mlp.c_proj'), mlpWidth, hidden, { bias }),
  };
  return gatedMlp(b, normed, weights, 'silu');
}

/** Inverse frequencies f32 [rotaryDim / 2]: the row of the NTK step that `rope_length` has reached. */
function frequencies(b: GraphBuilder, config: QwenTextConfig, ropeLength: Value | undefined): Value {
  const { ropeBase, rotaryDim, seqLength } = config;
  if (ropeLength === undefined) return b.float32(scaledFrequencies(ropeBase, rotaryDim, 1));
  const { thresholds, rows } = ntkTable(ropeBase, rotaryDim, seqLength);
  const flat = rows.flatMap((row) => [...row]);
  const table = b.float32(flat, [rows.length, rotaryDim / 2]);
  const passed = b.op('Greater', [ropeLength, b.int64(thresholds)]);
  const counted = b.op('Cast', [passed], { attributes: { to: codeOfDType('int64') } });
  const row = b.op('ReduceSum', [counted, b.int64([0])], { attributes: { keepdims: 0 } });
  return b.op('Gather', [table, row], { attributes: { axis: 0 } });
}

/**
 * logn attention: q at slot p is multiplied by log(p + 1) / log(seq_length) where that exceeds 1.
 * Positions i64 [S] → f32 [S, 1, 1], to broadcast over [B, S, heads, headDim].
 */
function lognFactors(b: GraphBuilder, positions: Value, seqLength: number): Value {
  const counts = b.op('Cast', [b.op('Add', [positions, b.int64([1], [])])], {
    attributes: { to: codeOfDType('float32') },
  });
  const factors = b.op('Mul', [b.op('Log', [counts]), b.scalar(1 / Math.log(seqLength))]);
  return b.op('Unsqueeze', [b.op('Max', [factors, b.scalar(1)]), b.int64([1, 2])]);
}
