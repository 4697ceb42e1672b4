/**
 * Proves that what is done to scores [.., S, T] is causality and nothing else: query r sees the keys c ≤ r + T - S, the
 * last query all of them. Every value on the way is followed as two numbers, one for keys that are seen and one for
 * later ones; where a value has no such two numbers (padding, a window, a diagonal that is off) the proof ends with
 * the reason.
 */
import { AffineEvaluator, type AffineIntegers } from '../../../graph/infer/affine.ts';
import { IntEvaluator } from '../../../graph/infer/data.ts';
import { addDims, sameDim, subtractDims } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import type { Dim } from '../../../graph/types.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import { constantNumbers, constantScalar, tensorNumbers } from '../../../rewrite/constants.ts';
import { dtypeOfCode, isFloat } from '../../../tensor/dtype.ts';
import type { ScoreStep } from './scores.ts';

/** Added to a score, this leaves a weight of 0 in float32 (exp(-104) is) for any scores that occur. */
const closed = -1000;

/** More nodes than any exporter spends on a mask. */
const mostNodes = 256;

/** What a value is at keys that are seen, and at later ones. */
interface Levels {
  readonly seen: number;
  readonly later: number;
  /** The same number everywhere, whatever the axes. */
  readonly uniform: boolean;
}

/** Why scores that these steps were taken on are not masked by causality alone; undefined where it is proven. */
export function causalObjection(steps: readonly ScoreStep[], queries: Dim, keys: Dim): string | undefined {
  const proof = new CausalProof(queries, keys);
  let bias: Levels = everywhere(0);
  for (const step of steps) {
    const next = proof.after(step, bias);
    if (typeof next === 'string') return next;
    bias = next;
  }
  if (bias.seen !== 0) return `keys that are seen get a bias of ${bias.seen}`;
  // One query is the last one: it sees all keys.
  if (queries === 1 && bias.uniform) return undefined;
  return bias.later <= closed ? undefined : `later keys get a bias of ${bias.later}`;
}

class CausalProof {
  readonly #queries: Dim;
  readonly #keys: Dim;
  /** T - S: how many keys the first query sees beyond itself. */
  readonly #before: Dim;
  readonly #affine: AffineEvaluator;
  readonly #known = new Map<Value, Levels | string>();

  constructor(queries: Dim, keys: Dim) {
    this.#queries = queries;
    this.#keys = keys;
    this.#before = subtractDims(keys, queries);
    const typeOf = (value: Value): Value['type'] => value.type;
    this.#affine = new AffineEvaluator(new IntEvaluator({ typeOf }), typeOf);
  }

  /** What was added to scores once the step is done. */
  after(step: ScoreStep, bias: Levels): Levels | string {
    switch (step.kind) {
      case 'scale':
        return step.factor > 0
          ? each([bias], ([x = 0]) => x * step.factor)
          : 'scores are scaled by a number that is not positive';
      case 'add': {
        const term = this.#levels(step.value);
        if (typeof term === 'string') return term;
        return each([bias, term], ([x = 0, y = 0]) => (step.negated ? x - y : x + y));
      }
      case 'select': {
        const condition = this.#levels(step.condition);
        if (typeof condition === 'string') return condition;
        return each([condition, bias], ([c, x = 0]) => ((c !== 0) === step.keep ? x : step.fill));
      }
      default:
        return 'scores are changed by more than a mask';
    }
  }

  #levels(value: Value | undefined): Levels | string {
    if (value === undefined) return 'an input is missing';
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    if (this.#known.size >= mostNodes) return `the mask ${value.name} takes too many nodes`;
    this.#known.set(value, `the mask ${value.name} is computed from itself`);
    const found = this.#follow(value);
    this.#known.set(value, found);
    return found;
  }

  #follow(value: Value): Levels | string {
    const scalar = constantScalar(value);
    if (scalar !== undefined) return everywhere(scalar);
    const numbers = constantNumbers(value);
    if (numbers !== undefined) return this.#table(value, numbers);
    const node = value.producer;
    if (node === undefined) return `the mask depends on ${value.name}`;
    const combine = pointwise[node.op];
    if (combine !== undefined) return this.#pointwise(node, combine);
    if (comparisons.has(node.op)) return this.#compared(node);
    if (node.op === 'Cast') {
      const to = dtypeOfCode(node.int('to') ?? 0) ?? 'bool';
      if (to === 'bool') return this.#pointwise(node, ([x]) => x !== 0);
      return this.#pointwise(node, ([x = 0]) => (isFloat(to) ? x : Math.trunc(x)));
    }
    if (node.op === 'Trilu') return this.#triangle(node);
    if (moves.has(node.op)) return this.#moved(node);
    if (node.op === 'CumSum') {
      const inner = this.#levels(node.input(0));
      if (typeof inner === 'string' || (inner.uniform && inner.seen === 0)) return inner;
    }
    if (node.op === 'ConstantOfShape') {
      const fill = node.attributes.get('value');
      const number = fill?.kind === 'tensor' ? tensorNumbers(fill.value)?.[0] : 0;
      if (number !== undefined) return everywhere(number);
    }
    return `the mask depends on ${node.op} ${node.name}`;
  }

  /** Whether the last two axes are those of the scores, in full. */
  #isMatrix(dims: readonly Dim[] | undefined): dims is readonly Dim[] {
    return (
      dims !== undefined &&
      dims.length >= 2 &&
      sameDim(dims.at(-2) ?? null, this.#queries) === true &&
      sameDim(dims.at(-1) ?? null, this.#keys) === true
    );
  }

  #table(value: Value, numbers: readonly number[]): Levels | string {
    const [first = 0] = numbers;
    if (numbers.every((number) => number === first)) return everywhere(first);
    const [rows, columns] = [this.#queries, this.#keys];
    if (typeof rows !== 'number' || typeof columns !== 'number' || !this.#isMatrix(dimsOf(value))) {
      return `the constant ${value.name} is not of one number for each score`;
    }
    const isSeen = (index: number): boolean =>
      index % columns <= (Math.floor(index / columns) % rows) + columns - rows;
    const later = numbers.find((_, index) => !isSeen(index)) ?? first;
    const off = numbers.findIndex((number, index) => number !== (isSeen(index) ? first : later));
    return off < 0
      ? { seen: first, later, uniform: false }
      : `the constant ${value.name} differs from causality at query ${Math.floor(off / columns) % rows}, key ${off % columns}`;
  }

  #pointwise(node: Node, combine: Pointwise): Levels | string {
    const inputs: Levels[] = [];
    for (const input of node.inputs) {
      const levels = this.#levels(input ?? undefined);
      if (typeof levels === 'string') return levels;
      inputs.push(levels);
    }
    return each(inputs, (values) => Number(combine(values)));
  }

  /** Same elements in the same places; the matrices stay, or all elements are one number. */
  #moved(node: Node): Levels | string {
    const inner = this.#levels(node.input(0));
    if (typeof inner === 'string' || inner.uniform) return inner;
    const input = node.input(0);
    const kept = this.#isMatrix(input && dimsOf(input)) && this.#isMatrix(dimsOf(node.output));
    return kept && node.op !== 'Slice' && node.op !== 'Transpose'
      ? inner
      : `${node.op} ${node.name} moves elements of the mask`;
  }

  #triangle(node: Node): Levels | string {
    const inner = this.#levels(node.input(0));
    if (typeof inner === 'string') return inner;
    if (!this.#isMatrix(dimsOf(node.output))) return `the triangle ${node.name} is not of the scores' size`;
    const shift = node.input(1);
    const diagonal = shift === undefined ? 0 : this.#affine.of(shift)?.offset;
    const upper = (node.int('upper') ?? 1) !== 0;
    const wanted = upper ? addDims(this.#before, 1) : this.#before;
    if (sameDim(diagonal ?? null, wanted) !== true) {
      return `the triangle ${node.name} starts at diagonal ${diagonal ?? '?'}, not ${wanted}`;
    }
    return upper
      ? { seen: 0, later: inner.later, uniform: false }
      : { seen: inner.seen, later: 0, uniform: false };
  }

  /** Places against places; or what is one number on either side. */
  #compared(node: Node): Levels | string {
    const dims = dimsOf(node.output);
    const [left, right] = [this.#affine.of(node.input(0)), this.#affine.of(node.input(1))];
    if (left === undefined || right === undefined || dims === undefined) return this.#comparedNumbers(node);
    const step = (side: AffineIntegers, axis: number): Dim => side.steps.at(axis - dims.length) ?? 0;
    const offset = subtractDims(left.offset, right.offset);
    const steps = dims.map((_, axis) => {
      const [own, other] = [left, right].map((side) =>
        axis < dims.length - side.steps.length ? 0 : step(side, axis),
      );
      return subtractDims(own ?? null, other ?? null);
    });
    if (typeof offset === 'number' && steps.every((each) => each === 0)) {
      return everywhere(Number(comparisons.get(node.op)?.(offset)));
    }
    const [row, column] = [steps.at(-2) ?? null, steps.at(-1) ?? null];
    if (!this.#isMatrix(dims) || !steps.slice(0, -2).every((each) => each === 0) || node.op === 'Equal') {
      return `${node.op} ${node.name} does not compare queries with keys`;
    }
    // As `difference ≤ 0`: of c - r, keys that are seen; of r - c, later ones.
    const turned = node.op.startsWith('Greater');
    const sign = (dim: Dim): Dim => (turned ? subtractDims(0, dim) : dim);
    const strict = node.op.endsWith('OrEqual') ? 0 : 1;
    const [atRow, atColumn, start] = [sign(row), sign(column), addDims(sign(offset), strict)];
    const forward = atColumn === 1 && (atRow === -1 || this.#queries === 1);
    const backward = atColumn === -1 && (atRow === 1 || this.#queries === 1);
    const last = forward ? subtractDims(0, start) : subtractDims(start, 1);
    if ((!forward && !backward) || sameDim(last, this.#before) !== true) {
      return forward || backward
        ? `${node.op} ${node.name} splits keys at ${last ?? '?'} beyond the query, causality at ${this.#before}`
        : `${node.op} ${node.name} does not compare queries with keys`;
    }
    return { seen: forward ? 1 : 0, later: forward ? 0 : 1, uniform: false };
  }

  #comparedNumbers(node: Node): Levels | string {
    const [left, right] = [this.#levels(node.input(0)), this.#levels(node.input(1))];
    if (typeof left === 'string') return left;
    if (typeof right === 'string') return right;
    const compare = comparisons.get(node.op);
    return each([left, right], ([x = 0, y = 0]) => Number(compare?.(x - y)));
  }
}

type Pointwise = (inputs: readonly number[]) => number | boolean;

const pointwise: Readonly<Record<string, Pointwise>> = {
  Not: ([x]) => x === 0,
  And: ([x, y]) => x !== 0 && y !== 0,
  Or: ([x, y]) => x !== 0 || y !== 0,
  Neg: ([x = 0]) => -x,
  Add: ([x = 0, y = 0]) => x + y,
  Sub: ([x = 0, y = 0]) => x - y,
  Mul: ([x = 0, y = 0]) => x * y,
  Where: ([c, x = 0, y = 0]) => (c !== 0 ? x : y),
};

/** What they say of left - right. */
const comparisons: ReadonlyMap<string, (difference: number) => boolean> = new Map([
  ['Equal', (difference) => difference === 0],
  ['Less', (difference) => difference < 0],
  ['LessOrEqual', (difference) => difference <= 0],
  ['Greater', (difference) => difference > 0],
  ['GreaterOrEqual', (difference) => difference >= 0],
]);

const moves = new Set(['Identity', 'Reshape', 'Unsqueeze', 'Squeeze', 'Expand', 'Slice', 'Transpose']);

function everywhere(number: number): Levels {
  return { seen: number, later: number, uniform: true };
}

function each(inputs: readonly Levels[], combine: (values: readonly number[]) => number): Levels {
  return {
    seen: combine(inputs.map(({ seen }) => seen)),
    later: combine(inputs.map(({ later }) => later)),
    uniform: inputs.every(({ uniform }) => uniform),
  };
}
