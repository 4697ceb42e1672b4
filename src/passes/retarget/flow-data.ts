/** Shape arithmetic in extents: what Shape gives, and what is computed from it, for scalars and vectors. */
import { isFloat } from '../../tensor/dtype.ts';
import {
  CannotFollow,
  type Extent,
  hasSide,
  number,
  product,
  quotient,
  resolve,
  sum,
  termsOf,
} from './extent.ts';
import type { Extents } from './extents.ts';
import type { Numbers, RuleView } from './flow.ts';

/** Undefined where the output is not made of whole numbers that can be followed. */
export function dataOf(view: RuleView): Numbers | undefined {
  const evaluate = evaluators[view.node.op];
  try {
    return evaluate?.(view);
  } catch (cause) {
    if (cause instanceof CannotFollow) return undefined;
    throw cause;
  }
}

type Evaluate = (view: RuleView) => Numbers | undefined;

const vector = (values: readonly Extent[]): Numbers => ({ rank: 1, values });
const scalar = (value: Extent): Numbers => ({ rank: 0, values: [value] });

const elementwise =
  (f: (values: readonly Extent[], extents: Extents) => Extent): Evaluate =>
  (view) => {
    const inputs = view.node.inputs.map((_, index) => view.numbers(index));
    if (!inputs.every((input) => input !== undefined)) return undefined;
    const length = Math.max(...inputs.map((input) => input.values.length));
    if (inputs.some((input) => input.values.length !== length && input.values.length !== 1)) return undefined;
    const values = Array.from({ length }, (_, place) =>
      f(
        inputs.map((input) => input.values[input.values.length === 1 ? 0 : place] ?? number(0)),
        view.extents,
      ),
    );
    return { rank: inputs.some((input) => input.rank === 1) ? 1 : 0, values };
  };

const computed =
  (compute: (...values: number[]) => number): Evaluate =>
  (view) =>
    elementwise((operands, extents) => {
      const values = operands.map((operand) => extents.old(operand));
      // A question with a known answer for any size of picture: -1 where a shape is compared with it.
      if (operands.every((operand) => resolve(operand).kind === 'number')) {
        return number(compute(...values.map((value) => value ?? 0)));
      }
      return { kind: 'computed', operands, compute };
    })(view);

/** Casts: floats lose their fraction. */
function converted(view: RuleView): Numbers | undefined {
  const from = view.numbers(0);
  if (from === undefined || !isFloating(view, 0) || isFloating(view)) return from;
  return { rank: from.rank, values: from.values.map((value) => truncated(value)) };
}

const truncated = (extent: Extent): Extent => {
  const at = resolve(extent);
  return at.kind === 'number'
    ? number(Math.trunc(at.value))
    : { kind: 'computed', operands: [at], compute: Math.trunc };
};

const same: Evaluate = (view) => view.numbers(0);

const withRank =
  (rank: (view: RuleView, from: Numbers) => number | undefined): Evaluate =>
  (view) => {
    const from = view.numbers(0);
    const to = from && rank(view, from);
    if (from === undefined || (to !== 0 && to !== 1)) return undefined;
    return to === 0 && from.values.length !== 1 ? undefined : { rank: to, values: from.values };
  };

/** Terms that stand on both sides go; what is left of b is a number, or all of it is arithmetic. */
function difference(a: Extent, b: Extent, extents: Extents): Extent {
  const left = termsOf(a);
  const rest = termsOf(b).filter((term) => {
    const at = left.findLastIndex((other) => extents.describe(other) === extents.describe(term));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const [other = number(0), ...more] = rest;
  if (other.kind === 'number' && more.length === 0) return sum([...left, number(-other.value)]);
  return { kind: 'computed', operands: [a, b], compute: (x = 0, y = 0) => x - y };
}

/** What an input is, or the output. */
function isFloating({ node }: RuleView, input?: number): boolean {
  const type = (input === undefined ? node.output : node.input(input))?.type;
  return type?.kind === 'tensor' && isFloat(type.dtype);
}

/** A dimension with a symbol is no negative number, which is all that exporters ask. */
function equal([a, b]: readonly Extent[], extents: Extents): Extent {
  const [x, y] = [a, b].map((each) => (each === undefined ? undefined : extents.old(each)));
  if (x === undefined || y === undefined) {
    if ((x ?? y ?? 0) < 0) return number(0);
    throw new CannotFollow('a symbolic dimension is compared');
  }
  return number(x === y ? 1 : 0);
}

const evaluators: Readonly<Record<string, Evaluate>> = {
  Shape: (view) => vector(view.shape(0).slice(view.node.int('start') ?? 0, view.node.int('end'))),
  Size: (view) => scalar(product(view.shape(0))),
  ConstantOfShape: (view) => {
    const length = view.fixed(0);
    const fill = view.node.attributes.get('value');
    const bytes =
      fill?.kind === 'tensor' && fill.value.origin.kind === 'inline' ? fill.value.origin.bytes : undefined;
    if (length === undefined || length.length > 1 || bytes?.byteLength !== 8) return undefined;
    const value = number(Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true)));
    const [count] = length;
    if (count === undefined) return scalar(value);
    return count > 64 ? undefined : vector(new Array<Extent>(count).fill(value));
  },
  Identity: same,
  Cast: converted,
  CastLike: converted,
  Floor: computed(Math.floor),
  Ceil: computed(Math.ceil),
  Sqrt: computed(Math.sqrt),
  Pow: computed((a = 0, b = 1) => a ** b),
  Squeeze: withRank(() => 0),
  Unsqueeze: withRank((_, from) => (from.rank === 0 ? 1 : undefined)),
  Reshape: withRank((view) => view.numbers(1)?.values.length),
  Gather: (view) => {
    const [data, indices] = [view.numbers(0), view.fixed(1)];
    if (data?.rank !== 1 || indices === undefined) return undefined;
    const values = indices.map((index) => data.values.at(index));
    if (!values.every((value) => value !== undefined)) return undefined;
    return { rank: view.numbers(1)?.rank ?? 0, values };
  },
  Slice: (view) => {
    const data = view.numbers(0);
    const [begin, end, step] = [view.fixed(1)?.[0], view.fixed(2)?.[0], view.has(4) ? view.fixed(4)?.[0] : 1];
    if (data?.rank !== 1 || begin === undefined || end === undefined || step !== 1) return undefined;
    return vector(data.values.slice(begin, end));
  },
  Concat: (view) => {
    const parts = view.node.inputs.map((_, index) => view.numbers(index));
    return parts.every((part) => part?.rank === 1)
      ? vector(parts.flatMap((part) => part?.values ?? []))
      : undefined;
  },
  Add: elementwise(sum),
  Sub: elementwise(([a = number(0), b = number(0)], extents) => difference(a, b, extents)),
  Mul: elementwise((values) => {
    const negative = values.some((value) => {
      const at = resolve(value);
      return at.kind === 'number' && at.value < 0;
    });
    return negative
      ? { kind: 'computed', operands: values, compute: (x = 0, y = 0) => x * y }
      : product(values);
  }),
  Div: (view) => {
    const rounded = !isFloating(view);
    return elementwise(([a = number(0), b = number(1)], extents) => {
      const by = extents.old(b);
      if (by === undefined || by === 0) throw new CannotFollow('a division by something unknown');
      // What a channel count is divided by counts no patches.
      if (!hasSide(a) && view.numbers(0)?.values.length === 1) view.tie(b);
      if (rounded && by > 0) return quotient(a, by);
      return {
        kind: 'computed',
        operands: [a, b],
        compute: (x = 0, y = 1) => (rounded ? Math.trunc(x / y) : x / y),
      };
    })(view);
  },
  Mod: computed((a = 0, b = 1) => a - b * Math.floor(a / b)),
  Neg: computed((a = 0) => -a),
  Min: computed(Math.min),
  Max: computed(Math.max),
  Equal: elementwise(equal),
  Less: computed((a = 0, b = 0) => Number(a < b)),
  Greater: computed((a = 0, b = 0) => Number(a > b)),
  Not: computed((a = 0) => Number(a === 0)),
  And: computed((a = 0, b = 0) => Number(a !== 0 && b !== 0)),
  Or: computed((a = 0, b = 0) => Number(a !== 0 || b !== 0)),
  Where: elementwise(([condition = number(0), x = number(0), y = number(0)], extents) => {
    const chosen = extents.old(condition);
    if (chosen === undefined) throw new CannotFollow('a choice by something unknown');
    return chosen !== 0 ? x : y;
  }),
  Expand: (view) => {
    const [from, shape] = [view.numbers(0), view.fixed(1)];
    const [length] = shape ?? [];
    if (from?.values.length !== 1 || shape?.length !== 1 || length === undefined || length > 64)
      return undefined;
    return vector(new Array<Extent>(length).fill(from.values[0] ?? number(0)));
  },
};
