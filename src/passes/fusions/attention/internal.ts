/**
 * The one form that every attention takes before it is lowered:
 *
 *   vlm.internal::ScaledDotProductAttention(q [N, h, S, d], k [N, n, T, d], v [N, n, T, e], bias?, live?) → [N, h, S, e]
 *   = softmax(q · kᵀ · scale + bias) · v, zero in rows that are not live
 *
 * bias [1|N, 1|h, S, T] additive, live bool [1|N, 1|h, S, 1]; h a multiple of n: query head i reads key head i · n / h.
 * Its attribute `causal` says that the bias is proven to be causality, and nothing else (causal.ts). No such node leaves
 * the pass.
 */
import { float } from '../../../graph/attribute.ts';
import type { Dim } from '../../../graph/types.ts';
import { tensorType } from '../../../graph/types.ts';
import { dimsOf, dtypeOf, type Value } from '../../../graph/value.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';
import { causalObjection } from './causal.ts';
import { type Extent, expanded, matrixSwap, permOf, reshaped, swapHeads, transposed } from './layout.ts';
import { arrangement, buildBias, scaleOf } from './mask.ts';
import type { Attention } from './match.ts';
import type { Operand } from './operands.ts';
import type { ScoreStep } from './scores.ts';
import type { Shared } from './shared.ts';

export const internalDomain = 'vlm.internal';
export const internalOp = 'ScaledDotProductAttention';

/** Puts the internal node in place of what was matched. */
export function raiseAttention(found: Attention, rewriter: Rewriter, shared: Shared): void {
  const { root, heads, steps, guarded } = found;
  const dtype = dtypeOf(found.q.value);
  if (dtype === undefined) throw new RangeError(`${found.q.value.name} has no type`);
  const [own, k, v] = [found.q, found.k, found.v].map((operand) => fourAxes(rewriter, operand, heads));
  if (own === undefined || k === undefined || v === undefined) throw new RangeError('three operands');
  const q = found.spread ? expanded(rewriter, own, [{ of: k, axis: 0 }, 1, 1, 1]) : own;
  const { bias, live } = buildBias(rewriter, shared, steps, guarded, { dtype, q, k, heads });
  const operands = [weighted(rewriter, q, found), k, v, bias, live];
  const attended = sdpa(rewriter, operands, scaleOf(steps), isCausal(steps, q, k));
  rewriter.replace(root.output, asProduct(rewriter, attended, found));
}

export function sdpa(
  rewriter: Rewriter,
  inputs: readonly (Value | null)[],
  scale: number,
  causal: boolean,
): Value {
  const [q, , v] = inputs;
  const [queries, values] = [q, v].map((value) => (value == null ? [] : (dimsOf(value) ?? [])));
  const shape: Dim[] = [0, 1, 2].map((axis) => queries?.[axis] ?? null);
  const node = rewriter.node(
    internalOp,
    inputs,
    [{ type: tensorType(dtypeOf(q) ?? 'float32', [...shape, values?.[3] ?? null]) }],
    { domain: internalDomain, attributes: { scale: float(scale), causal: Number(causal) } },
  );
  return node.output;
}

/** Only asked for where a lowering makes use of it: heads that several queries share. */
export function isCausal(steps: readonly ScoreStep[], q: Value, k: Value): boolean {
  const [queries, keys] = [dimsOf(q) ?? [], dimsOf(k) ?? []];
  if (queries[1] === keys[1]) return false;
  return causalObjection(steps, queries[2] ?? null, keys[2] ?? null) === undefined;
}

/** Queries times what scores are multiplied by per head or row. */
function weighted(rewriter: Rewriter, q: Value, { steps, heads }: Attention): Value {
  return steps.reduce((queries, step) => {
    if (step.kind !== 'factor') return queries;
    const arrange = arrangement(dimsOf(step.value) ?? [], step.lead, heads);
    if (arrange === undefined) throw new RangeError(`the factor ${step.value.name} was not checked`);
    return rewriter.op('Mul', [queries, arrange(rewriter, step.value, q)]);
  }, q);
}

/** An operand as [N, h, S, d]. */
function fourAxes(rewriter: Rewriter, { value, swapped }: Operand, heads: number | undefined): Value {
  const rank = (dimsOf(value) ?? []).length;
  const upright = swapped ? transposed(rewriter, value, matrixSwap(rank)) : value;
  if (heads !== undefined) return rank === 4 ? upright : mergeBatch(rewriter, upright, heads);
  if (rank > 3) return reshaped(rewriter, upright, ['rest', 1, { axis: rank - 2 }, { axis: rank - 1 }]);
  return rewriter.op('Unsqueeze', [upright, rewriter.int64(rank === 3 ? [1] : [0, 1])]);
}

/** [A, B, .., h, S, d] → [N, h, S, d]; behind the Transpose that separated heads, which then goes over four axes. */
function mergeBatch(rewriter: Rewriter, value: Value, heads: number): Value {
  const rank = (dimsOf(value) ?? []).length;
  const perm = value.producer?.op === 'Transpose' ? permOf(value.producer) : undefined;
  const source = perm === undefined ? undefined : value.producer?.input(0);
  const outer = rank - 3;
  if (
    perm !== undefined &&
    source !== undefined &&
    perm.slice(0, outer).every((axis, index) => axis === index)
  ) {
    const own = (dimsOf(source) ?? []).slice(outer).map((dim, index): Extent => {
      return typeof dim === 'number' ? dim : { axis: outer + index };
    });
    const inner = perm.slice(outer).map((axis) => axis - outer + 1);
    return transposed(rewriter, reshaped(rewriter, source, ['rest', ...own]), [0, ...inner]);
  }
  return reshaped(rewriter, value, ['rest', heads, { axis: rank - 2 }, { axis: rank - 1 }]);
}

/** [N, h, S, e] as the product that was matched has it. */
function asProduct(rewriter: Rewriter, attended: Value, { root, heads, turned }: Attention): Value {
  const dims = dimsOf(root.output) ?? [];
  const matrices = turned ? transposed(rewriter, attended, matrixSwap(4)) : attended;
  if (heads === undefined && dims.length < 4) {
    return rewriter.op('Squeeze', [matrices, rewriter.int64(dims.length === 3 ? [1] : [0, 1])]);
  }
  if (heads !== undefined && dims.length === 4) return matrices;
  const lead = dims.slice(0, -2).map((dim): Extent => (typeof dim === 'number' ? dim : 'rest'));
  if (heads === undefined || dims.length === 3 || turned) {
    return reshaped(rewriter, matrices, [...lead, { axis: 2 }, { axis: 3 }]);
  }
  // By slots first, as the operator gives them, so that readers that want them so find nothing to undo.
  const bySlots = transposed(rewriter, matrices, swapHeads);
  const apart = reshaped(rewriter, bySlots, [...lead.slice(0, -1), { axis: 1 }, heads, { axis: 3 }]);
  const rank = dims.length;
  const back = dims.map((_, axis) => (axis === rank - 3 ? rank - 2 : axis === rank - 2 ? rank - 3 : axis));
  return transposed(rewriter, apart, back);
}
