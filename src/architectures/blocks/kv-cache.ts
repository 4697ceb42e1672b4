/**
 * The key-value cache of a decoder layer: `past_key_values.N.key|value` [B, heads, P, headDim] in,
 * `present.N.key|value` [B, heads, P + S, headDim] out, joined on the slot axis.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';

export interface LayerCache {
  readonly key: Value;
  readonly value: Value;
}

/** Adds the cache inputs of one layer. */
export function cacheInputs(b: GraphBuilder, layer: number, heads: number, headDim: number): LayerCache {
  const type = tensorType('float32', ['batch_size', heads, 'past_sequence_length', headDim]);
  return {
    key: b.input(`past_key_values.${layer}.key`, type),
    value: b.input(`past_key_values.${layer}.value`, type),
  };
}

/** Appends k and v [B, heads, S, headDim] to the cache: what attention reads and what the step hands on. */
export function extendCache(b: GraphBuilder, past: LayerCache, k: Value, v: Value): LayerCache {
  const join = (before: Value, now: Value): Value =>
    b.op('Concat', [before, now], { attributes: { axis: 2 } });
  return { key: join(past.key, k), value: join(past.value, v) };
}

/** Names the extended caches of all layers as outputs. */
export function cacheOutputs(
  b: GraphBuilder,
  layers: readonly LayerCache[],
  heads: number,
  headDim: number,
): void {
  const type = tensorType('float32', ['batch_size', heads, 'total_sequence_length', headDim]);
  for (const [layer, cache] of layers.entries()) {
    for (const [part, value] of [
      ['key', cache.key],
      ['value', cache.value],
    ] as const) {
      b.output(`present.${layer}.${part}`, value);
      b.graph.setType(value, type);
    }
  }
}
