/** Type rules of fused attention. B batch, S queries, L new keys, P past keys, N heads, H head size, D = N * H. */
import type { Dim } from '../types.ts';
import { type Rule, type RuleContext, typed } from './context.ts';
import { addDims, divideDims, multiplyDims, sameDim } from './dims.ts';

/** [B, N, P, H] with the new keys behind the old ones. */
function present(cx: RuleContext, past: number, batch: Dim, heads: Dim, length: Dim, size: Dim) {
  const shape = cx.has(past) ? cx.shape(past) : [batch, heads, 0, size];
  const total = addDims(shape?.[2] ?? null, length);
  return typed(cx.dtype(past) ?? cx.dtype(0), [batch, heads, total, size]);
}

/** q [B, S, D] or packed [B, S, N, 3, H]; k, v [B, L, D], [B, N, L, H] or packed [B, L, N, 2, H]; past 6 and 7. */
const multiHead: Rule = (cx) => {
  const heads = cx.node.int('num_heads') ?? null;
  const [q, k, v] = [cx.shape(0), cx.shape(1), cx.shape(2)];
  const dtype = cx.dtype(0);
  if (q === undefined || (cx.has(1) && k === undefined) || (cx.has(2) && v === undefined)) {
    return [typed(dtype, undefined)];
  }
  cx.checkRank(0, 3, 5);
  const [batch = null, queries = null] = q;
  const size = q.length === 5 ? (q[4] ?? null) : divideDims(q[2] ?? null, heads);
  if (q.length === 3 && typeof q[2] === 'number' && size === null && heads !== null) {
    throw cx.fail('VC3101', cx.describe(0), `a last dimension that ${heads} heads divide`);
  }
  if (k?.length === 3 && sameDim(k[2] ?? null, q[2] ?? null) === false) {
    throw cx.fail('VC3101', cx.describeInputs(), 'query and key of one size');
  }
  const length = k === undefined ? queries : ((k.length === 4 ? k[2] : k[1]) ?? null);
  if (v !== undefined && sameDim((v.length === 4 ? v[2] : v[1]) ?? null, length) === false) {
    throw cx.fail('VC3101', cx.describeInputs(), 'keys and values of one length');
  }
  const valueSize =
    v === undefined ? size : v.length === 4 ? (v[3] ?? null) : divideDims(v[2] ?? null, heads);
  const width = v?.length === 3 ? (v[2] ?? null) : multiplyDims(heads, valueSize);
  return [
    typed(dtype, [batch, queries, width]),
    present(cx, 6, batch, heads, length, size),
    present(cx, 7, batch, heads, length, valueSize),
  ];
};

/**
 * q [B, S, N * H], k and v [B, S, Nkv * H], or q packed [B, S, (N + 2 Nkv) * H]. The cache may be a buffer
 * that is longer than what it holds, so its length follows only from a symbol.
 */
const groupQuery: Rule = (cx) => {
  const [heads, kvHeads] = [cx.node.int('num_heads') ?? null, cx.node.int('kv_num_heads') ?? null];
  const [q, past] = [cx.shape(0), cx.shape(3)];
  if (q === undefined) return [typed(cx.dtype(0), undefined)];
  cx.checkRank(0, 3);
  const [batch = null, queries = null, width = null] = q;
  const parts = cx.has(1) ? heads : addDims(heads, multiplyDims(2, kvHeads));
  const size = divideDims(width, parts);
  if (typeof width === 'number' && typeof parts === 'number' && size === null) {
    throw cx.fail('VC3101', cx.describe(0), `a last dimension that ${parts} heads divide`);
  }
  const held = past?.[2] ?? null;
  const total = typeof held === 'string' ? addDims(held, queries) : null;
  const cache = typed(cx.dtype(3) ?? cx.dtype(0), [batch, kvHeads, total, past?.[3] ?? size]);
  return [typed(cx.dtype(0), [batch, queries, multiplyDims(heads, size)]), cache, cache];
};

/** Opset 23: q, k, v all [B, L, N * H] or all [B, N, L, H]; past 4 and 5. */
const attention: Rule = (cx) => {
  const [q, k, v] = [cx.shape(0), cx.shape(1), cx.shape(2)];
  const dtype = cx.dtype(0);
  if (q === undefined || k === undefined || v === undefined) return [typed(dtype, undefined)];
  cx.checkRank(0, 3, 4);
  const [batch = null] = q;
  if (q.length === 4) {
    const [heads = null, length = null] = [k[1], k[2]];
    return [
      typed(dtype, [batch, q[1] ?? null, q[2] ?? null, v[3] ?? null]),
      present(cx, 4, batch, heads, length, k[3] ?? null),
      present(cx, 5, batch, heads, length, v[3] ?? null),
    ];
  }
  const [heads, kvHeads] = [cx.node.int('q_num_heads') ?? null, cx.node.int('kv_num_heads') ?? null];
  const valueSize = divideDims(v[2] ?? null, kvHeads);
  return [
    typed(dtype, [batch, q[1] ?? null, multiplyDims(heads, valueSize)]),
    present(cx, 4, batch, kvHeads, k[1] ?? null, divideDims(k[2] ?? null, kvHeads)),
    present(cx, 5, batch, kvHeads, k[1] ?? null, valueSize),
  ];
};

/** Input [B, S, D], weights [D, Dq + Dk + Dv] (thirds unless `qkv_hidden_sizes` says), past 4 [2, B, N, P, H]. */
const packedAttention: Rule = (cx) => {
  const [input, weights] = [cx.shape(0), cx.shape(1)];
  if (input === undefined || weights === undefined) return [typed(cx.dtype(0), undefined)];
  cx.checkRank(0, 3);
  cx.checkRank(1, 2);
  const [batch = null, queries = null, width = null] = input;
  if (sameDim(width, weights[0] ?? null) === false) {
    throw cx.fail('VC3101', cx.describeInputs(), 'weights of as many rows as the input has columns');
  }
  const heads = cx.node.int('num_heads') ?? null;
  const valueSize = cx.node.ints('qkv_hidden_sizes')?.[2] ?? divideDims(weights[1] ?? null, 3);
  const past = cx.has(4) ? (cx.shape(4)?.[3] ?? null) : 0;
  const cache = [2, batch, heads, addDims(past, queries), divideDims(valueSize, heads)];
  return [typed(cx.dtype(0), [batch, queries, valueSize]), typed(cx.dtype(0), cache)];
};

export const attentionRules: readonly (readonly [string, Rule])[] = [
  ['com.microsoft::MultiHeadAttention', multiHead],
  ['com.microsoft::GroupQueryAttention', groupQuery],
  ['com.microsoft::Attention', packedAttention],
  ['Attention', attention],
];
