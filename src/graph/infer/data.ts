/**
 * Small integer values that are known at compile time: shape arithmetic from Shape, constants and what is computed
 * from them. Evaluated on demand, backwards from the value asked for. Scalars and vectors only.
 */
import type { Tensor } from '../../tensor/tensor.ts';
import type { Node } from '../node.ts';
import type { Dim, ValueType } from '../types.ts';
import type { Value } from '../value.ts';
import type { IntData } from './context.ts';
import {
  addDims,
  divideDims,
  floorDivideDims,
  isNonNegative,
  multiplyDims,
  productOf,
  sameDim,
  subtractDims,
} from './dims.ts';

/** Longer vectors are no shapes. */
const maxElements = 256;
/** A chain of more steps than this back to constants is not followed. */
const maxDepth = 256;

export interface DataScope {
  typeOf(value: Value): ValueType | undefined;
}

/** Evaluates values, and remembers them for its own lifetime: make a new one after the graph has changed. */
export class IntEvaluator {
  readonly #scope: DataScope;
  readonly #known = new Map<Value, IntData | undefined>();
  #depth = 0;

  constructor(scope: DataScope) {
    this.#scope = scope;
  }

  of(value: Value): IntData | undefined {
    if (this.#known.has(value)) return this.#known.get(value);
    if (this.#depth >= maxDepth) return undefined;
    this.#known.set(value, undefined);
    this.#depth += 1;
    const data = this.#evaluate(value);
    this.#depth -= 1;
    const bounded = data !== undefined && data.values.length <= maxElements ? data : undefined;
    this.#known.set(value, bounded);
    return bounded;
  }

  #evaluate(value: Value): IntData | undefined {
    // An input with a default may be fed something else.
    if (value.initializer !== undefined) return value.isInput ? undefined : intsOf(value.initializer);
    const node = value.producer;
    if (node === undefined || node.domain !== '' || value.outputIndex !== 0) return undefined;
    const evaluate = evaluators[node.opType];
    if (evaluate === undefined) return undefined;
    return evaluate({
      node,
      data: (index) => {
        const input = node.input(index);
        return input === undefined ? undefined : this.of(input);
      },
      shape: (index) => {
        const input = node.input(index);
        const type = input === undefined ? undefined : this.#scope.typeOf(input);
        return type?.kind === 'tensor' ? type.shape : undefined;
      },
    });
  }
}

/** The elements of an integer or bool tensor in memory, rank 0 or 1. */
export function intsOf(tensor: Tensor): IntData | undefined {
  if (tensor.origin.kind !== 'inline' || tensor.shape.length > 1) return undefined;
  const rank = tensor.shape.length === 0 ? 0 : 1;
  const count = tensor.shape[0] ?? 1;
  if (count > maxElements) return undefined;
  const { bytes } = tensor.origin;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = readers[tensor.dtype];
  if (read === undefined) return undefined;
  return { rank, values: Array.from({ length: count }, (_, index) => read(view, index)) };
}

/** Beyond 2^53 only the sign matters to any reader (`end` of Slice is often 2^63 - 1). */
function clampBigInt(value: bigint): number {
  const limit = Number.MAX_SAFE_INTEGER;
  return Math.max(-limit, Math.min(limit, Number(value)));
}

const readers: Readonly<Record<string, (view: DataView, index: number) => number>> = {
  int64: (view, index) => clampBigInt(view.getBigInt64(8 * index, true)),
  int32: (view, index) => view.getInt32(4 * index, true),
  bool: (view, index) => view.getUint8(index),
};

interface DataContext {
  readonly node: Node;
  data(index: number): IntData | undefined;
  shape(index: number): readonly Dim[] | undefined;
}

type Evaluate = (cx: DataContext) => IntData | undefined;

const vector = (values: readonly Dim[]): IntData => ({ rank: 1, values });
const scalar = (value: Dim): IntData => ({ rank: 0, values: [value] });

/** Element by element, one-element operands repeated. */
function zip(inputs: readonly (IntData | undefined)[], f: (...values: Dim[]) => Dim): IntData | undefined {
  const known = inputs.filter((input) => input !== undefined);
  if (known.length < inputs.length) return undefined;
  const long = known.find((input) => input.values.length !== 1);
  const length = long?.values.length ?? 1;
  if (known.some((input) => input.values.length !== length && input.values.length !== 1)) return undefined;
  const values = Array.from({ length }, (_, index) =>
    f(...known.map(({ values }) => values[values.length === 1 ? 0 : index] ?? null)),
  );
  return { rank: known.some((input) => input.rank === 1) ? 1 : 0, values };
}

const binary =
  (f: (a: Dim, b: Dim) => Dim): Evaluate =>
  (cx) =>
    zip([cx.data(0), cx.data(1)], (a = null, b = null) => f(a, b));

const onNumbers =
  (f: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : null;

/** C division: towards zero. */
function divide(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? null : Math.trunc(a / b);
  const exact = divideDims(a, b);
  if (exact !== null || typeof b !== 'number' || b < 1 || !isNonNegative(a)) return exact;
  return floorDivideDims(a, b);
}

/** What is made of dimensions without a minus is no negative number. */
function equal(a: Dim, b: Dim): Dim {
  const same = sameDim(a, b);
  if (same !== undefined) return same ? 1 : 0;
  const negative = (value: Dim) => typeof value === 'number' && value < 0;
  return (negative(a) && isNonNegative(b)) || (negative(b) && isNonNegative(a)) ? 0 : null;
}

/** Whether a < b, where that is certain. */
function less(a: Dim, b: Dim): Dim {
  if (isNonNegative(subtractDims(a, b))) return 0;
  return isNonNegative(subtractDims(subtractDims(b, a), 1)) ? 1 : null;
}

function not(value: Dim): Dim {
  return typeof value === 'number' ? 1 - value : null;
}

function choose(condition: Dim, x: Dim, y: Dim): Dim {
  if (condition === null) return x === y ? x : null;
  return condition === 0 ? y : x;
}

/** `beyond`: certainly no smaller (or no larger) than the other. */
const extremum =
  (pick: (...values: number[]) => number, beyond: (value: Dim, other: Dim) => boolean): Evaluate =>
  (cx) =>
    zip(
      cx.node.inputs.map((_, index) => cx.data(index)),
      (...values) =>
        values.every((value) => value === values[0])
          ? (values[0] ?? null)
          : values.every((value) => typeof value === 'number')
            ? pick(...(values as number[]))
            : (values.find((value) => values.every((other) => beyond(value, other))) ?? null),
    );

/** The same elements with another rank, where that is 0 or 1. */
const reshaped =
  (rank: (cx: DataContext, from: IntData) => number | undefined): Evaluate =>
  (cx) => {
    const data = cx.data(0);
    const to = data === undefined ? undefined : rank(cx, data);
    if (data === undefined || (to !== 0 && to !== 1)) return undefined;
    return to === 0 && data.values.length !== 1 ? undefined : { rank: to, values: data.values };
  };

const first: Evaluate = (cx) => cx.data(0);

const evaluators: Readonly<Record<string, Evaluate>> = {
  Shape: (cx) => {
    const shape = cx.shape(0);
    return shape && vector(shape.slice(cx.node.int('start') ?? 0, cx.node.int('end')));
  },
  Size: (cx) => {
    const shape = cx.shape(0);
    return shape && scalar(productOf(shape));
  },
  Constant: ({ node }) => {
    const value = node.attributes.get('value');
    if (value?.kind === 'tensor') return intsOf(value.value);
    if (node.attributes.has('value_int')) return scalar(node.int('value_int') ?? null);
    const ints = node.ints('value_ints');
    return ints && vector(ints);
  },
  ConstantOfShape: (cx) => {
    const shape = cx.data(0)?.values;
    const value = cx.node.attributes.get('value');
    const fill = value?.kind === 'tensor' ? intsOf(value.value)?.values[0] : undefined;
    if (shape === undefined || fill === undefined || shape.length > 1) return undefined;
    const [length] = shape;
    if (length === undefined) return scalar(fill);
    if (typeof length !== 'number' || length < 0 || length > maxElements) return undefined;
    return vector(new Array<Dim>(length).fill(fill));
  },
  Identity: first,
  Cast: (cx) => {
    const to = cx.node.int('to');
    const data = cx.data(0);
    // int32, int64; to bool only what is 0 or 1 already.
    if (to === 6 || to === 7) return data;
    return to === 9 && data?.values.every((value) => value === 0 || value === 1) ? data : undefined;
  },
  Squeeze: reshaped(() => 0),
  Unsqueeze: reshaped((_, from) => (from.rank === 0 ? 1 : undefined)),
  Reshape: reshaped((cx) => cx.node.ints('shape')?.length ?? cx.data(1)?.values.length),
  Gather: (cx) => {
    const [data, indices] = [cx.data(0), cx.data(1)];
    if (data?.rank !== 1 || indices === undefined) return undefined;
    const values = indices.values.map((index) =>
      typeof index === 'number' ? (data.values.at(index) ?? null) : null,
    );
    return { rank: indices.rank, values };
  },
  Slice: (cx) => {
    const data = cx.data(0);
    const one = (name: string, index: number, fallback: number) => {
      const value = cx.node.ints(name)?.[0] ?? cx.data(index)?.values[0];
      return value === undefined && cx.node.input(index) === undefined ? fallback : value;
    };
    const [begin, end, step] = [one('starts', 1, 0), one('ends', 2, 0), one('steps', 4, 1)];
    if (data?.rank !== 1 || typeof begin !== 'number' || typeof end !== 'number' || step !== 1)
      return undefined;
    return vector(data.values.slice(begin, end));
  },
  Concat: (cx) => {
    const parts = cx.node.inputs.map((_, index) => cx.data(index));
    if (!parts.every((part) => part?.rank === 1)) return undefined;
    return vector(parts.flatMap((part) => part?.values ?? []));
  },
  Expand: (cx) => {
    const [data, shape] = [cx.data(0), cx.data(1)?.values];
    const [length] = shape ?? [];
    if (data?.values.length !== 1 || shape?.length !== 1 || typeof length !== 'number') return undefined;
    if (length < 0 || length > maxElements) return undefined;
    return vector(new Array<Dim>(length).fill(data.values[0] ?? null));
  },
  Range: (cx) => {
    const [begin, end, step] = [0, 1, 2].map((index) => cx.data(index)?.values[0]);
    if (typeof begin !== 'number' || typeof end !== 'number' || typeof step !== 'number' || step === 0) {
      return undefined;
    }
    const length = Math.max(0, Math.ceil((end - begin) / step));
    if (length > maxElements) return undefined;
    return vector(Array.from({ length }, (_, index) => begin + index * step));
  },
  Neg: (cx) => zip([cx.data(0)], (value = null) => subtractDims(0, value)),
  Add: binary(addDims),
  Sub: binary(subtractDims),
  Mul: binary(multiplyDims),
  Div: binary(divide),
  Mod: binary(onNumbers((a, b) => (b === 0 ? 0 : a - b * Math.floor(a / b)))),
  Min: extremum(Math.min, (a, b) => isNonNegative(subtractDims(b, a))),
  Max: extremum(Math.max, (a, b) => isNonNegative(subtractDims(a, b))),
  Equal: binary(equal),
  Less: binary(less),
  Greater: binary((a, b) => less(b, a)),
  LessOrEqual: binary((a, b) => not(less(b, a))),
  GreaterOrEqual: binary((a, b) => not(less(a, b))),
  And: binary((a, b) => (a === 0 || b === 0 ? 0 : a === 1 && b === 1 ? 1 : null)),
  Or: binary((a, b) => (a === 1 || b === 1 ? 1 : a === 0 && b === 0 ? 0 : null)),
  Not: (cx) => zip([cx.data(0)], (value = null) => not(value)),
  Where: (cx) =>
    zip([cx.data(0), cx.data(1), cx.data(2)], (condition = null, x = null, y = null) =>
      choose(condition, x, y),
    ),
  ReduceProd: (cx) => {
    const data = cx.data(0);
    if (data === undefined) return undefined;
    const kept = (cx.node.int('keepdims') ?? 1) === 1;
    return kept ? vector([productOf(data.values)]) : scalar(productOf(data.values));
  },
};

/** The operators whose integers can be known, but for Constant. */
export const dataOperators: readonly string[] = Object.keys(evaluators).filter((op) => op !== 'Constant');
