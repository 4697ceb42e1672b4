/**
 * The internal node as com.microsoft::GroupQueryAttention: queries [N, S, h · d] over fewer heads of keys and values
 * [N, S, n · d], a cache as past and present [N, n, P, d]. No mask: the operator is causal by itself, so only attention
 * that is proven to be so becomes one. How many keys there are is told twice, seqlens_k int32 [N] (the last place) and
 * total_sequence_length int32 []; all layers share the two.
 *
 * What onnxruntime 1.30 refuses is refused here: several new slots after a cache, unless there is one sequence; new keys
 * that are not as many as queries.
 */
import { float } from '../../../graph/attribute.ts';
import { addDims, sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../../rewrite/rule.ts';
import { codeOfDType } from '../../../tensor/dtype.ts';
import { inlineTensor } from '../../../tensor/tensor.ts';
import { type Cache, findCache } from './cache.ts';
import { internalDomain, internalOp } from './internal.ts';
import { extentOf, reshaped, swapHeads, transposed } from './layout.ts';
import type { Shared } from './shared.ts';

export const groupQueryAttention = 'com.microsoft::GroupQueryAttention';

interface Lowering {
  readonly node: Node;
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly heads: number;
  readonly keyHeads: number;
  readonly size: number;
  readonly cache: Cache | undefined;
}

/** `sizeMultiple`: what sizes of heads have to be a multiple of. */
export function lowerToGroupQuery(shared: Shared, sizeMultiple: number): Rule {
  return nodeRule({
    name: 'lower-to-group-query-attention',
    roots: [`${internalDomain}::${internalOp}`],
    inspect: (node) => inspect(node, sizeMultiple),
    rewrite: (parts, rewriter) => lower(parts, rewriter, shared),
  });
}

function inspect(node: Node, sizeMultiple: number): Lowering | string {
  const [q, k, v] = [node.input(0), node.input(1), node.input(2)];
  if (q === undefined || k === undefined || v === undefined) {
    throw new RangeError(`${node.name} has lost its inputs`);
  }
  const [batch = null, heads, slots = null, size] = dimsOf(q) ?? [];
  const [keyBatch = null, keyHeads, keySlots = null] = dimsOf(k) ?? [];
  if (node.int('causal') !== 1) return 'its heads are not shared, or it is not causal alone';
  if (typeof heads !== 'number' || typeof keyHeads !== 'number' || typeof size !== 'number') {
    return 'its heads are not known';
  }
  if (dimsOf(v)?.[3] !== size) return 'keys and values differ in size';
  if (size % sizeMultiple !== 0) return `heads of ${size} are no multiple of ${sizeMultiple}`;
  if (sameDim(batch, keyBatch) !== true) return 'queries and keys may differ in batch';
  const cache = findCache(node, k, v);
  if (cache === undefined && sameDim(slots, keySlots) !== true) return 'its keys are not its queries';
  if (cache !== undefined) {
    if (slots !== 1 && batch !== 1) return 'several slots of several sequences follow a cache';
    const whole = addDims(dimsOf(cache.pastKey)?.[2] ?? null, slots);
    if (sameDim(whole, keySlots) !== true) return 'new keys are not as many as queries';
    if (sameDim(dimsOf(cache.pastKey)?.[2] ?? null, dimsOf(cache.pastValue)?.[2] ?? null) !== true)
      return 'keys and values were cached for different slots';
  }
  return { node, q, k, v, heads, keyHeads, size, cache };
}

function lower(parts: Lowering, rewriter: Rewriter, shared: Shared): void {
  const { node, q, k, v, heads, keyHeads, size, cache } = parts;
  const bySlots = (value: Value, width: number): Value =>
    reshaped(rewriter, transposed(rewriter, value, swapHeads), [{ axis: 0 }, { axis: 1 }, width]);
  const total = totalOf(parts, rewriter, shared);
  const inputs = [
    bySlots(q, heads * size),
    bySlots(cache?.newKey ?? k, keyHeads * size),
    bySlots(cache?.newValue ?? v, keyHeads * size),
    cache?.pastKey ?? null,
    cache?.pastValue ?? null,
    lastPlaces(parts, total, rewriter, shared),
    total,
  ];
  const fused = rewriter.node('GroupQueryAttention', inputs, [{}, {}, {}], {
    domain: 'com.microsoft',
    attributes: {
      num_heads: heads,
      kv_num_heads: keyHeads,
      scale: float(node.float('scale') ?? 1),
      do_rotary: 0,
    },
  });
  const apart = reshaped(rewriter, fused.output, [{ axis: 0 }, { axis: 1 }, heads, size]);
  rewriter.replace(node.output, transposed(rewriter, apart, swapHeads));
  const [, presentKey, presentValue] = fused.outputs;
  if (cache === undefined || presentKey == null || presentValue == null) return;
  rewriter.replace(k, presentKey);
  rewriter.replace(v, presentValue);
}

/** total_sequence_length: int32 [] */
function totalOf({ q, k, cache }: Lowering, rewriter: Rewriter, shared: Shared): Value {
  const known = dimsOf(k)?.[2] ?? null;
  return shared.once(rewriter, `keys ${known ?? k.name}`, [], () => {
    if (typeof known === 'number') return int32(rewriter, known);
    const slots = extentOf(rewriter, q, 2);
    const sum =
      cache === undefined ? slots : rewriter.op('Add', [extentOf(rewriter, cache.pastKey, 2), slots]);
    const to = { attributes: { to: codeOfDType('int32') } };
    return rewriter.op('Cast', [rewriter.op('Squeeze', [sum, rewriter.int64([0])])], to);
  });
}

/** seqlens_k: int32 [N], the place of the last key. */
function lastPlaces({ q }: Lowering, total: Value, rewriter: Rewriter, shared: Shared): Value {
  const batch = dimsOf(q)?.[0] ?? q.name;
  return shared.once(rewriter, `last places of ${batch}`, [total], () => {
    const last = rewriter.op('Sub', [total, int32(rewriter, 1)]);
    return rewriter.op('Expand', [last, extentOf(rewriter, q, 0)]);
  });
}

function int32(rewriter: Rewriter, value: number): Value {
  return rewriter.constant(
    `int32_${value}`,
    inlineTensor('int32', [], new Uint8Array(Int32Array.of(value).buffer)),
  );
}
