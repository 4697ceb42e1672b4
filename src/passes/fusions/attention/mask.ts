/**
 * The masks of an attention as one additive bias [1|N, 1|h, S, T], computed as the scores' own steps are: what is added
 * to scores is added to the bias, what selects among them selects in it. Equal masks of several layers are one value.
 *
 * A score that is replaced by a low number becomes a score with so low a bias that it is lost in it: rows that see
 * nothing weigh all keys alike, as before.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Dim } from '../../../graph/types.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import { floatToHalf } from '../../../kernels/half.ts';
import { constantNumbers } from '../../../rewrite/constants.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';
import { codeOfDType, type DType } from '../../../tensor/dtype.ts';
import { inlineTensor } from '../../../tensor/tensor.ts';
import { type Extent, expanded, extentOf, reshaped } from './layout.ts';
import type { ScoreStep } from './scores.ts';
import type { Shared } from './shared.ts';

/** Finite, and any score that is added to it is lost: float32 has 24 bits. */
const lost = -1e30;

/** The lowest finite numbers. */
const lowest: Readonly<Record<string, number>> = { float32: -3.4028234663852886e38, float16: -65504 };

/** What the bias has to fit. */
export interface BiasFrame {
  readonly dtype: DType;
  /** [N, h, S, d] and [N, n, T, d]. */
  readonly q: Value;
  readonly k: Value;
  /** Undefined: one head, all leading axes of the scores are batch. */
  readonly heads: number | undefined;
}

export interface Bias {
  readonly bias: Value | null;
  /** bool [1|N, 1|h, S, 1]: rows that see something; null where every row does, or where it does not matter. */
  readonly live: Value | null;
}

/** Whether values that are broadcast against each other have all dimensions in full. */
function coverAll(values: readonly Value[], whole: readonly Dim[]): boolean {
  return whole.every((dim, axis) =>
    values.some((value) => sameDim(dimsOf(value)?.at(axis - whole.length) ?? null, dim) === true),
  );
}

/** The biases of a detour as one of its outcome's shape. */
function addedApart(rewriter: Rewriter, step: ScoreStep & { readonly kind: 'apart' }): Value {
  const [first, ...others] = step.values;
  const shape = step.reshape.input(1);
  if (first === undefined || shape === undefined) throw new RangeError('a detour without biases');
  const sum = others.reduce((total, value) => rewriter.op('Add', [total, value]), first);
  const full = dimsOf(sum)?.every((dim, axis) => sameDim(dim, step.whole[axis] ?? null) === true);
  const wide =
    full === true
      ? sum
      : expanded(
          rewriter,
          sum,
          step.whole.map((dim) => Number(dim)),
        );
  return rewriter.op('Reshape', [wide, shape]);
}

/** Why the steps cannot be one bias. */
export function maskObjection(
  steps: readonly ScoreStep[],
  heads: number | undefined,
  dtype: DType,
): string | undefined {
  if (lowest[dtype] === undefined) return `its operands are ${dtype}`;
  for (const step of steps) {
    if (step.kind === 'scale' || step.kind === 'floor') continue;
    if (step.kind === 'apart') {
      const fits = arrangement(dimsOf(step.reshape.output) ?? [], step.lead, heads) !== undefined;
      if (fits && (coverAll(step.values, step.whole) || step.whole.every((dim) => typeof dim === 'number')))
        continue;
      return `what ${step.reshape.name} gathers does not fit scores in ${heads ?? 1} heads`;
    }
    const value = step.kind === 'select' ? step.condition : step.value;
    const shape = dimsOf(value);
    if (shape === undefined) return `the rank of the mask ${value.name} is not known`;
    if (shape.length > step.lead.length + 2) return `the mask ${value.name} widens the scores`;
    if (arrangement(shape, step.lead, heads) === undefined) {
      return `the mask ${value.name} [${shape}] does not fit scores of [${step.lead},S,T] in ${heads ?? 1} heads`;
    }
  }
  return undefined;
}

export function buildBias(
  rewriter: Rewriter,
  shared: Shared,
  steps: readonly ScoreStep[],
  guarded: boolean,
  frame: BiasFrame,
): Bias {
  const { dtype } = frame;
  const number = (value: number, to = dtype): Value =>
    shared.once(rewriter, `number ${to} ${value}`, [], () => floatConstant(rewriter, to, value));
  const op = (opType: string, inputs: readonly Value[], detail = ''): Value =>
    shared.once(rewriter, `${opType} ${detail}`, inputs, () => rewriter.op(opType, inputs));
  const arranged = (value: Value, lead: readonly Dim[]): Value =>
    shared.once(rewriter, `arranged [${lead}] ${frame.heads}`, [value], () => {
      const plan = arrangement(dimsOf(value) ?? [], lead, frame.heads);
      if (plan === undefined) throw new RangeError(`the mask ${value.name} was not checked`);
      return plan(rewriter, value, frame.q);
    });

  let bias: Value | undefined;
  for (const step of steps) {
    switch (step.kind) {
      case 'scale':
        if (bias !== undefined && step.factor !== 1) bias = op('Mul', [bias, number(step.factor)]);
        break;
      case 'factor':
        if (bias !== undefined) bias = op('Mul', [bias, arranged(step.value, step.lead)]);
        break;
      case 'add': {
        const own = asFloat(rewriter, shared, arranged(step.value, step.lead), dtype);
        const term = step.negated ? op('Neg', [own]) : own;
        bias = bias === undefined ? term : op('Add', [bias, term]);
        break;
      }
      case 'select': {
        const condition = arranged(step.condition, step.lead);
        const fill = number(lostFill(step.fill, dtype));
        const kept = bias ?? number(0);
        bias = op('Where', step.keep ? [condition, kept, fill] : [condition, fill, kept]);
        break;
      }
      case 'apart': {
        const own = arranged(addedApart(rewriter, step), step.lead);
        bias = bias === undefined ? own : op('Add', [bias, own]);
        break;
      }
      case 'floor':
        if (bias !== undefined) bias = op('Max', [bias, number(Math.max(step.least, lowest[dtype] ?? 0))]);
        break;
    }
  }
  if (bias === undefined) return { bias: null, live: null };
  bias = widened(rewriter, shared, bias, frame);
  if (!guarded || neverInfinite(steps)) return { bias, live: null };
  const least = number(lowest[dtype] ?? 0);
  const live = shared.once(rewriter, 'live', [bias], () => {
    const best = rewriter.op('ReduceMax', [bias as Value, rewriter.int64([3])], {
      attributes: { keepdims: 1 },
    });
    return rewriter.op('Greater', [best, number(Number.NEGATIVE_INFINITY)]);
  });
  return { bias: op('Max', [bias, least]), live };
}

/** The product's own scale. */
export function scaleOf(steps: readonly ScoreStep[]): number {
  return steps.reduce((scale, step) => (step.kind === 'scale' ? scale * step.factor : scale), 1);
}

type Arrange = (rewriter: Rewriter, value: Value, q: Value) => Value;

/** How something of `shape`, broadcast against scores [..lead, S, T], becomes one of four axes; undefined: not at all. */
export function arrangement(
  shape: readonly Dim[],
  lead: readonly Dim[],
  heads: number | undefined,
): Arrange | undefined {
  const missing = lead.length + 2 - shape.length;
  const full: readonly Dim[] = [...Array<Dim>(missing).fill(1), ...shape];
  const inHeads = heads !== undefined && lead.length > 0 && lead.at(-1) === heads;
  if (heads !== undefined && !inHeads && lead.length > 1) return undefined;
  const outer = full.slice(0, inHeads ? lead.length - 1 : lead.length);
  const outerLead = lead.slice(0, outer.length);
  // Batch as it is, or none at all: axes of one element come and go.
  const merged = heads !== undefined && !inHeads && outer.length === 1;
  if (outer.every((dim) => dim === 1) || (outer.length === 1 && !merged)) {
    return (rewriter, value) => fourAxes(rewriter, value, inHeads);
  }
  if (outerLead.filter((dim) => typeof dim !== 'number').length > 1) return undefined;
  const head = merged ? heads : inHeads ? full[lead.length - 1] : 1;
  if (typeof head !== 'number') return undefined;
  return (rewriter, value, q) => {
    const wide = merged ? value : broadcastOuter(rewriter, value, full, outer, outerLead, q);
    const rank = (dimsOf(wide) ?? full).length;
    return reshaped(rewriter, wide, ['rest', head, { axis: rank - 2 }, { axis: rank - 1 }]);
  };
}

/** [.., h?, s, t] with at most one axis before that is not of one element → [b, h | 1, s, t]. */
function fourAxes(rewriter: Rewriter, value: Value, withHeads: boolean): Value {
  const rank = (dimsOf(value) ?? []).length;
  const own = withHeads ? 3 : 2;
  if (rank > (withHeads ? 4 : 3)) {
    const spare = rank - (withHeads ? 4 : 3);
    const axes = Array.from({ length: spare }, (_, axis) => axis);
    return fourAxes(rewriter, rewriter.op('Squeeze', [value, rewriter.int64(axes)]), withHeads);
  }
  if (rank === 4) return value;
  // Without heads, the axis of heads stands behind the batch.
  const axes = rank > own ? [1] : Array.from({ length: 4 - rank }, (_, axis) => axis);
  return rewriter.op('Unsqueeze', [value, rewriter.int64(axes)]);
}

/** Every axis of the batch in full, so that they can become one. */
function broadcastOuter(
  rewriter: Rewriter,
  value: Value,
  full: readonly Dim[],
  outer: readonly Dim[],
  outerLead: readonly Dim[],
  q: Value,
): Value {
  const known = outerLead.reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : 1), 1);
  const parts = full.map((dim, axis) => {
    const wanted = axis < outer.length ? (outerLead[axis] ?? null) : 1;
    if (typeof wanted === 'number' || dim !== 1)
      return rewriter.int64([typeof wanted === 'number' ? wanted : 1]);
    return rewriter.op('Div', [extentOf(rewriter, q, 0), rewriter.int64([known])]);
  });
  return rewriter.op('Expand', [value, rewriter.op('Concat', parts, { attributes: { axis: 0 } })]);
}

/** attention_bias may be broadcast over batch and heads, not over queries and keys. */
function widened(rewriter: Rewriter, shared: Shared, bias: Value, { q, k }: BiasFrame): Value {
  const shape = dimsOf(bias) ?? [];
  const extents = [q, k].map((operand, index): Extent => {
    const [own, target] = [shape[index + 2] ?? null, (dimsOf(operand) ?? [])[2] ?? null];
    // A symbol is not 1: a mask that one run broadcasts and another does not is nobody's.
    const whole = typeof own === 'string' || sameDim(own, target) === true || (own !== null && own !== 1);
    if (whole) return 1;
    return typeof target === 'number' ? target : { of: operand, axis: 2 };
  });
  if (extents.every((extent) => extent === 1)) return bias;
  const known = [q, k].map((operand) => (dimsOf(operand) ?? [])[2] ?? operand.name);
  return shared.once(rewriter, `widened ${known}`, [bias], () =>
    expanded(rewriter, bias, [1, 1, ...extents]),
  );
}

function asFloat(rewriter: Rewriter, shared: Shared, value: Value, dtype: DType): Value {
  if (value.type?.kind === 'tensor' && value.type.dtype === dtype) return value;
  return shared.once(rewriter, `as ${dtype}`, [value], () => {
    const cast = rewriter.op('Cast', [value], { attributes: { to: codeOfDType(dtype) } });
    // What float32 calls lowest is infinite in float16.
    return rewriter.op('Max', [cast, floatConstant(rewriter, dtype, lowest[dtype] ?? 0)]);
  });
}

function lostFill(fill: number, dtype: DType): number {
  if (fill === Number.NEGATIVE_INFINITY) return fill;
  return Math.max(dtype === 'float32' ? Math.min(fill, lost) : fill, lowest[dtype] ?? 0);
}

/** Whether no step masks by infinity, so that no row of weights can be NaN. */
function neverInfinite(steps: readonly ScoreStep[]): boolean {
  return steps.every((step) => {
    if (step.kind === 'select') return step.fill > Number.NEGATIVE_INFINITY;
    return step.kind !== 'add' || isFiniteMask(step.value);
  });
}

const moves = new Set(['Expand', 'Reshape', 'Unsqueeze', 'Squeeze', 'Slice', 'Identity', 'Transpose']);

/** Where(.., 0, lowest), as exporters write it, is finite; of others nothing is known. */
function isFiniteMask(value: Value, depth = 8): boolean {
  const numbers = constantNumbers(value);
  if (numbers !== undefined) return numbers.every(Number.isFinite);
  const node = value.producer;
  const read =
    node?.op === 'Where' ? node.inputs.slice(1) : moves.has(node?.op ?? '') ? node?.inputs.slice(0, 1) : [];
  return (
    depth > 0 &&
    read !== undefined &&
    read.length > 0 &&
    read.every((side) => side !== null && isFiniteMask(side, depth - 1))
  );
}

export function floatConstant(rewriter: Rewriter, dtype: DType, value: number): Value {
  const data = dtype === 'float16' ? floatToHalf(Float32Array.of(value)) : Float32Array.of(value);
  return rewriter.constant(`${dtype}_${value}`, inlineTensor(dtype, [], new Uint8Array(data.buffer)));
}
