/**
 * Attention of ai.onnx 23 as the internal node, for targets that do not run it: q, k, v of four axes [N, h, S, d] or of
 * three [N, S, h · d], a mask that is added or selects, past and present, a causal mask over all keys.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import { dimsOf, dtypeOf, type Value } from '../../../graph/value.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../../rewrite/rule.ts';
import { isCausal, sdpa } from './internal.ts';
import { extentOf, reshaped, swapHeads, transposed } from './layout.ts';
import { buildBias, maskObjection } from './mask.ts';
import { withoutRepeats } from './operands.ts';
import type { ScoreStep } from './scores.ts';
import type { Shared } from './shared.ts';

/** What a causal mask adds: no row is without a slot that it sees, so it need not be infinite. */
const unseen = -3.4028234663852886e38;

interface Standard {
  readonly node: Node;
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly heads: number;
  readonly keyHeads: number;
  readonly scale: number;
  readonly mask: ScoreStep | undefined;
}

/** `refuses`: why the operator that it is to become does not take operands of a type. */
export function raiseStandard(
  shared: Shared,
  refuses: (dtype: string, masked: boolean) => string | undefined,
): Rule {
  return nodeRule({
    name: 'standard-attention',
    roots: ['Attention'],
    inspect: (node) => inspect(node, refuses),
    rewrite: (standard, rewriter) => raise(standard, rewriter, shared),
  });
}

function inspect(
  node: Node,
  refuses: (dtype: string, masked: boolean) => string | undefined,
): Standard | string {
  const [q, k, v, mask] = [0, 1, 2, 3].map((index) => node.input(index));
  if (q === undefined || k === undefined || v === undefined) return `${node.name} has lost its inputs`;
  const dtype = dtypeOf(q);
  if (dtype === undefined || dtypeOf(k) !== dtype || dtypeOf(v) !== dtype)
    return 'its operands differ in type';
  if ((node.float('softcap') ?? 0) !== 0) return 'its scores are capped by tanh';
  if (node.input(6) !== undefined) return 'its keys are padded';
  if (node.outputs[3] != null) return 'its scores are also an output';
  const rank = dimsOf(q)?.length;
  const heads = rank === 4 ? dimsOf(q)?.[1] : node.int('q_num_heads');
  const keyHeads = rank === 4 ? dimsOf(k)?.[1] : node.int('kv_num_heads');
  const [width, valueWidth] = [dimsOf(q)?.at(-1), dimsOf(v)?.at(-1)];
  if (
    typeof heads !== 'number' ||
    typeof keyHeads !== 'number' ||
    typeof width !== 'number' ||
    typeof valueWidth !== 'number'
  ) {
    return 'its heads are not known';
  }
  const size = rank === 4 ? width : width / heads;
  const causal = (node.int('is_causal') ?? 0) !== 0;
  const slots = rank === 4 ? 2 : 1;
  const square = sameDim(dimsOf(q)?.[slots] ?? null, dimsOf(k)?.[slots] ?? null) === true;
  if (causal && (node.input(4) !== undefined || !square))
    return 'it is causal over keys that are not its queries';
  const step = mask === undefined ? undefined : maskStep(mask, [dimsOf(q)?.[0] ?? null, heads]);
  const objection =
    refuses(dtype, causal || step !== undefined) ??
    (step === undefined ? undefined : maskObjection([step], heads, dtype));
  if (objection !== undefined) return objection;
  return { node, q, k, v, heads, keyHeads, scale: node.float('scale') ?? 1 / Math.sqrt(size), mask: step };
}

function maskStep(mask: Value, lead: readonly (number | string | null)[]): ScoreStep {
  return dtypeOf(mask) === 'bool'
    ? { kind: 'select', condition: mask, keep: true, fill: Number.NEGATIVE_INFINITY, lead }
    : { kind: 'add', value: mask, negated: false, lead };
}

function raise(standard: Standard, rewriter: Rewriter, shared: Shared): void {
  const { node, heads, keyHeads, scale, mask } = standard;
  const dtype = dtypeOf(standard.q) ?? 'float32';
  const q = apart(rewriter, standard.q, heads);
  const whole = [standard.k, standard.v].map((value, index) => {
    const own = apart(rewriter, value, keyHeads);
    const past = node.input(4 + index);
    return past === undefined ? own : rewriter.op('Concat', [past, own], { attributes: { axis: 2 } });
  });
  const [keys, values] = whole;
  if (keys === undefined || values === undefined) throw new RangeError('keys and values');
  const { k, v } = withoutRepeats(keys, values);
  const steps = [
    ...((node.int('is_causal') ?? 0) === 0 ? [] : [causalStep(rewriter, shared, q)]),
    ...(mask === undefined ? [] : [mask]),
  ];
  // The operator gives zeros where a row sees nothing.
  const { bias, live } = buildBias(rewriter, shared, steps, true, { dtype, q, k, heads });
  const attended = sdpa(rewriter, [q, k, v, bias, live], scale, isCausal(steps, q, k));
  for (const [index, value] of whole.entries()) {
    const present = node.outputs[1 + index];
    if (present != null) rewriter.replace(present, value);
  }
  const width = heads * Number(dimsOf(v)?.[3]);
  rewriter.replace(
    node.output,
    dimsOf(standard.q)?.length === 4
      ? attended
      : reshaped(rewriter, transposed(rewriter, attended, swapHeads), [{ axis: 0 }, { axis: 1 }, width]),
  );
}

/** [N, S, h · d] → [N, h, S, d] */
function apart(rewriter: Rewriter, value: Value, heads: number): Value {
  const dims = dimsOf(value) ?? [];
  if (dims.length === 4) return value;
  const bySlots = reshaped(rewriter, value, [{ axis: 0 }, { axis: 1 }, heads, Number(dims[2]) / heads]);
  return transposed(rewriter, bySlots, swapHeads);
}

/** Each query sees itself and what is before it: bool [S, S]. */
function causalStep(rewriter: Rewriter, shared: Shared, q: Value): ScoreStep {
  const condition = shared.once(rewriter, `causal ${dimsOf(q)?.[2] ?? q.name}`, [], () => {
    const zero = rewriter.int64([0], []);
    const length = rewriter.op('Squeeze', [extentOf(rewriter, q, 2)]);
    const slots = rewriter.op('Range', [zero, length, rewriter.int64([1], [])]);
    const rows = rewriter.op('Unsqueeze', [slots, rewriter.int64([1])]);
    return rewriter.op('LessOrEqual', [slots, rows]);
  });
  return { kind: 'select', condition, keep: true, fill: unseen, lead: [] };
}
