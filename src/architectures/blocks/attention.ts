/**
 * Multi-head attention as every reference graph spells it, so that one pattern finds it:
 *
 *   q, k, v [N, S, heads · d] → Reshape [N, S, heads, d] → Transpose [N, heads, S, d]
 *   Softmax(MatMul(q · scale, kᵀ) (+ mask)) → MatMul v → Transpose → Reshape [N, S, heads · d]
 *
 * Softmax is over the last axis. A family that rotates q and k does so between Reshape and Transpose.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';

/** [N, S, heads · headDim] → [N, S, heads, headDim] */
export function splitHeads(b: GraphBuilder, x: Value, heads: number, headDim: number): Value {
  return b.op('Reshape', [x, b.int64([0, 0, heads, headDim])]);
}

/** [N, S, heads, headDim] → [N, heads, S, headDim], and back */
export function swapHeads(b: GraphBuilder, x: Value): Value {
  return b.op('Transpose', [x], { attributes: { perm: [0, 2, 1, 3] } });
}

/**
 * Grouped keys or values for the heads that share them: [N, kvHeads, T, headDim] → [N, heads, T, headDim], head h
 * taking h · kvHeads / heads, rounded down.
 */
export function repeatHeads(
  b: GraphBuilder,
  x: Value,
  { heads, kvHeads, headDim }: { readonly heads: number; readonly kvHeads: number; readonly headDim: number },
): Value {
  if (heads === kvHeads) return x;
  const group = b.op('Unsqueeze', [x, b.int64([2])]);
  const repeated = b.op('Expand', [group, b.int64([1, 1, heads / kvHeads, 1, 1])]);
  return b.op('Reshape', [repeated, b.int64([0, heads, -1, headDim])]);
}

/** In the layout that each function says. */
export interface AttentionInputs {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly heads: number;
  readonly headDim: number;
  /** Added to the scores; broadcast to [N, heads, S, T]. */
  readonly mask?: Value;
}

/**
 * Attention with scale 1/sqrt(headDim) over split heads: q [N, heads, S, headDim], k, v [N, heads, T, headDim]
 * → [N, S, heads · headDim].
 */
export function attend(b: GraphBuilder, { q, k, v, heads, headDim, mask }: AttentionInputs): Value {
  const scaled = b.op('Mul', [q, b.scalar(1 / Math.sqrt(headDim))]);
  const keys = b.op('Transpose', [k], { attributes: { perm: [0, 1, 3, 2] } });
  const product = b.op('MatMul', [scaled, keys]);
  const scores = mask === undefined ? product : b.op('Add', [product, mask]);
  const weights = b.op('Softmax', [scores], {
    attributes: { axis: -1 },
    metadata: [[metadataKeys.calls, 'attention_blocks']],
  });
  const mixed = swapHeads(b, b.op('MatMul', [weights, v]));
  return b.op('Reshape', [mixed, b.int64([0, 0, heads * headDim])]);
}

/** Attention over q [N, S, heads · headDim] and k, v [N, T, heads · headDim] → like q; `mask` as in `attend`. */
export function attention(b: GraphBuilder, inputs: AttentionInputs): Value {
  const { heads, headDim } = inputs;
  const split = (x: Value): Value => swapHeads(b, splitHeads(b, x, heads, headDim));
  return attend(b, { ...inputs, q: split(inputs.q), k: split(inputs.k), v: split(inputs.v) });
}

/** Attention of whichever rows belong together. */
export type Attend = typeof attention;

/** [..., 3 · size] with q | k | v on the last axis → three of [..., size] */
export function splitQkv(b: GraphBuilder, x: Value, size: number): readonly [Value, Value, Value] {
  const [q, k, v] = b.ops('Split', [x, b.int64([size, size, size])], 3, { attributes: { axis: -1 } });
  if (q === undefined || k === undefined || v === undefined)
    throw new RangeError('Split made no three outputs');
  return [q, k, v];
}
