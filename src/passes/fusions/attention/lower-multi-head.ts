/**
 * The internal node as com.microsoft::MultiHeadAttention: queries as [N, S, h · d]; keys and values as [N, T, n · d], or
 * as [N, n, T, d] where they stand so; the bias as attention_bias; a cache as past and present.
 *
 * Where g query heads share a key head, a decoder with a cache runs the operator with n heads, and the g queries of a slot
 * stand one behind the other: [N, g · S, n · d]. So keys and values are not repeated at every token, and the cache stays
 * inside. Without a cache heads are repeated: the CPU works on one head per thread, and has more of them.
 */
import { float } from '../../../graph/attribute.ts';
import type { Node } from '../../../graph/node.ts';
import { dimsOf, dtypeOf, type Value } from '../../../graph/value.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../../rewrite/rule.ts';
import { type Cache, findCache } from './cache.ts';
import { internalDomain, internalOp } from './internal.ts';
import { expanded, isFree, reshaped, swapHeads, transposed } from './layout.ts';
import { floatConstant } from './mask.ts';
import type { Shared } from './shared.ts';

export const multiHeadAttention = 'com.microsoft::MultiHeadAttention';

interface Sizes {
  /** Heads of the queries. */
  readonly heads: number;
  /** Heads of keys and values. */
  readonly keyHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
}

interface Lowering {
  readonly node: Node;
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly bias: Value | null;
  readonly live: Value | null;
  readonly sizes: Sizes;
  readonly cache: Cache | undefined;
}

export function lowerToMultiHead(shared: Shared): Rule {
  return nodeRule({
    name: 'lower-attention',
    roots: [`${internalDomain}::${internalOp}`],
    inspect: lowering,
    rewrite: (parts, rewriter) => lower(parts, rewriter, shared),
  });
}

function lowering(node: Node): Lowering {
  const [q, k, v] = [node.input(0), node.input(1), node.input(2)];
  if (q === undefined || k === undefined || v === undefined) {
    throw new RangeError(`${node.name} has lost its inputs`);
  }
  return {
    node,
    q,
    k,
    v,
    bias: node.input(3) ?? null,
    live: node.input(4) ?? null,
    sizes: {
      heads: sizeOf(q, 1),
      keyHeads: sizeOf(k, 1),
      headDim: sizeOf(q, 3),
      valueDim: sizeOf(v, 3),
    },
    cache: findCache(node, k, v),
  };
}

function sizeOf(value: Value, axis: number): number {
  const dim = dimsOf(value)?.[axis];
  if (typeof dim !== 'number') throw new RangeError(`axis ${axis} of ${value.name} is not known`);
  return dim;
}

function lower(parts: Lowering, rewriter: Rewriter, shared: Shared): void {
  const { node, q, k, v, live, cache } = parts;
  const { heads, headDim, valueDim } = parts.sizes;
  const grouped = cache !== undefined || dimsOf(q)?.[2] === 1;
  const keyHeads = grouped ? parts.sizes.keyHeads : heads;
  const sizes = { ...parts.sizes, keyHeads };
  const groups = heads / keyHeads;
  const [newKey, newValue] = [cache?.newKey ?? k, cache?.newValue ?? v].map((value) =>
    grouped ? value : repeated(rewriter, value, heads / parts.sizes.keyHeads),
  );
  if (newKey === undefined || newValue === undefined) throw new RangeError('keys and values');
  // [N, n, T, d] is taken as it is where putting it in another order would cost; both have to stand so.
  const asIs =
    cache === undefined &&
    headDim === valueDim &&
    keyHeads > 1 &&
    ![newKey, newValue].every((value) => isFree(value, swapHeads));
  const slots = (value: Value, size: number): Value =>
    asIs ? value : joined(rewriter, value, keyHeads, size);
  const inputs = [
    groups === 1 ? joined(rewriter, q, heads, headDim) : groupedQueries(rewriter, q, groups, sizes),
    slots(newKey, headDim),
    slots(newValue, valueDim),
    null,
    null,
    groups === 1 ? parts.bias : groupedBias(rewriter, shared, parts.bias, groups, sizes),
    cache?.pastKey ?? null,
    cache?.pastValue ?? null,
  ];
  const fused = rewriter.node('MultiHeadAttention', inputs, cache === undefined ? [{}] : [{}, {}, {}], {
    domain: 'com.microsoft',
    attributes: { num_heads: keyHeads, scale: float(node.float('scale') ?? 1) },
  });
  const apart =
    groups === 1
      ? reshaped(rewriter, fused.output, [{ axis: 0 }, { axis: 1 }, heads, valueDim])
      : ungrouped(rewriter, fused.output, q, groups, sizes);
  const seen = live === null ? apart : liveOnly(rewriter, shared, apart, live);
  rewriter.replace(node.output, apartToHeads(rewriter, seen, heads));
  const [, presentKey, presentValue] = fused.outputs;
  if (cache === undefined || presentKey == null || presentValue == null) return;
  rewriter.replace(k, presentKey);
  rewriter.replace(v, presentValue);
}

/** [N, n, T, d] → [N, n · times, T, d], each head several times */
function repeated(rewriter: Rewriter, value: Value, times: number): Value {
  if (times === 1) return value;
  const [, heads = null, , size = null] = dimsOf(value) ?? [];
  const apart = rewriter.op('Unsqueeze', [value, rewriter.int64([2])]);
  const wide = rewriter.op('Expand', [apart, rewriter.int64([1, 1, times, 1, 1])]);
  return rewriter.op('Reshape', [wide, rewriter.int64([0, Number(heads) * times, -1, Number(size)])]);
}

/** [N, h, S, d] → [N, S, h · d] */
function joined(rewriter: Rewriter, value: Value, heads: number, size: number): Value {
  const split = value.producer?.op === 'Unsqueeze' ? value.producer.input(0) : undefined;
  // One head that was made of three axes.
  if (heads === 1 && split !== undefined && dimsOf(split)?.length === 3) return split;
  const bySlots = transposed(rewriter, value, swapHeads);
  return reshaped(rewriter, bySlots, [{ axis: 0 }, { axis: 1 }, heads * size]);
}

/** [N, S, h, e] → [N, h, S, e] */
function apartToHeads(rewriter: Rewriter, value: Value, heads: number): Value {
  return heads === 1
    ? reshaped(rewriter, value, [{ axis: 0 }, 1, { axis: 1 }, { axis: 3 }])
    : transposed(rewriter, value, swapHeads);
}

/** [N, n · g, S, d] → [N, g · S, n · d] */
function groupedQueries(rewriter: Rewriter, q: Value, groups: number, { keyHeads, headDim }: Sizes): Value {
  const bySlots = isFree(q, swapHeads);
  const apart = bySlots
    ? reshaped(rewriter, transposed(rewriter, q, swapHeads), [
        { axis: 0 },
        { axis: 1 },
        keyHeads,
        groups,
        headDim,
      ])
    : reshaped(rewriter, q, [{ axis: 0 }, keyHeads, groups, { axis: 2 }, headDim]);
  const perm = bySlots ? [0, 3, 1, 2, 4] : [0, 2, 3, 1, 4];
  return reshaped(rewriter, transposed(rewriter, apart, perm), [{ axis: 0 }, 'rest', keyHeads * headDim]);
}

/** [N, g · S, n · e] → [N, S, n · g, e] */
function ungrouped(rewriter: Rewriter, value: Value, q: Value, groups: number, sizes: Sizes): Value {
  const { heads, keyHeads, valueDim } = sizes;
  const slots = { of: q, axis: 2 } as const;
  const apart = reshaped(rewriter, value, [{ axis: 0 }, groups, slots, keyHeads, valueDim]);
  const bySlots = transposed(rewriter, apart, [0, 2, 3, 1, 4]);
  return reshaped(rewriter, bySlots, [{ axis: 0 }, { axis: 1 }, heads, valueDim]);
}

/** [b, 1 | h, S, T] → [b, 1 | n, g · S, T] */
function groupedBias(
  rewriter: Rewriter,
  shared: Shared,
  bias: Value | null,
  groups: number,
  { heads, keyHeads }: Sizes,
): Value | null {
  if (bias === null) return null;
  const own = dimsOf(bias)?.[1];
  return shared.once(rewriter, `for ${groups} of ${heads} heads`, [bias], () => {
    const wide = own === heads ? bias : expanded(rewriter, bias, [1, own === 1 ? groups : heads, 1, 1]);
    return reshaped(rewriter, wide, [{ axis: 0 }, own === 1 ? 1 : keyHeads, 'rest', { axis: 3 }]);
  });
}

/** Zero in rows [N, S, h, e] that see nothing; live: [N | 1, h | 1, S, 1]. */
function liveOnly(rewriter: Rewriter, shared: Shared, value: Value, live: Value): Value {
  const dtype = dtypeOf(value) ?? 'float32';
  const bySlots = shared.once(rewriter, 'live by slots', [live], () => transposed(rewriter, live, swapHeads));
  const zero = shared.once(rewriter, `number ${dtype} 0`, [], () => floatConstant(rewriter, dtype, 0));
  return rewriter.op('Where', [bySlots, value, zero]);
}
