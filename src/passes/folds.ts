/**
 * Folds of layout: transposes that cancel or follow each other, and chains of operators that only give a value
 * another shape. Shared by fold and by fusions that tidy up after themselves.
 */
import { sameDim } from '../graph/infer/dims.ts';
import type { Node } from '../graph/node.ts';
import type { Dim } from '../graph/types.ts';
import { dimsOf, type Value } from '../graph/value.ts';
import { constantNumbers } from '../rewrite/constants.ts';
import { nodeRule, type Rule } from '../rewrite/rule.ts';
import { bypass, canStandFor, sameShapes } from './fold/rule-forms.ts';

/** Operators that give their first input another shape and nothing else. */
const relabelling: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** The value before `node` and the operators of its kind that stand before it. */
function* before(node: Node, kinds: ReadonlySet<string>): Generator<Value> {
  for (let value = node.input(0); value !== undefined; ) {
    yield value;
    const { producer } = value;
    value = producer !== undefined && kinds.has(producer.op) ? producer.input(0) : undefined;
  }
}

/** The first input of a node, and that value before operators that only gave it another shape. */
export function beforeRelabelling(node: Node): Iterable<Value> {
  return before(node, relabelling);
}

const keptOrder = bypass('transpose-of-nothing', ['Transpose'], (node) => {
  const perm = node.ints('perm');
  if (perm === undefined || perm.some((axis, index) => axis !== index)) return 'the order changes';
  return node.input(0) ?? 'no input';
});

/** Two transposes are one, or none. One that swaps the last two axes stays: so operands of products are spelled. */
const transposePair = nodeRule<{ from: Value; source: Value; perm: readonly number[]; empty: boolean }>({
  name: 'transpose-pair',
  roots: ['Transpose'],
  inspect: (node) => {
    const second = node.ints('perm');
    const inner = node.input(0)?.producer;
    const first = inner?.op === 'Transpose' ? inner.ints('perm') : undefined;
    const source = inner?.input(0);
    if (first === undefined || second === undefined || source === undefined) return 'no Transpose before it';
    const perm = second.map((axis) => first[axis] ?? axis);
    const empty = perm.every((axis, index) => axis === index) && canStandFor(source, node.output);
    if (!empty && swapsLast(second)) return 'the transposed operand of a product';
    return { from: node.output, source, perm, empty };
  },
  rewrite: ({ from, source, perm, empty }, rewriter) =>
    rewriter.replace(
      from,
      empty ? source : rewriter.op('Transpose', [source], { attributes: { perm: [...perm] } }),
    ),
});

/** Batches that are joined for a transpose of the last two axes, which needs it not: [a, b, c, d] to [a, b, d, c]. */
const batchedTranspose = nodeRule<{ from: Value; source: Value; perm: readonly number[] }>({
  name: 'transpose-of-joined',
  roots: ['Reshape'],
  inspect: (node) => {
    const turned = node.input(0)?.producer;
    const joined = turned?.input(0)?.producer;
    const source = joined?.input(0);
    if (turned?.op !== 'Transpose' || joined?.op !== 'Reshape' || source === undefined)
      return 'no Transpose between two Reshapes';
    const [before, between, after] = [dimsOf(source), dimsOf(joined.output), dimsOf(node.output)];
    if (before === undefined || between === undefined || after?.length !== before.length)
      return 'the shapes are not known';
    if (between.length < 2 || before.length < 3 || !swapsLast(turned.ints('perm') ?? []))
      return 'not a transpose of the last two axes';
    const perm = [...before.keys()].map((axis, index, { length }) =>
      index < length - 2 ? axis : 2 * length - 3 - index,
    );
    const same = (a: readonly Dim[], b: readonly Dim[]) =>
      a.every((dim, axis) => sameDim(dim, b[axis] ?? null) === true);
    const fits =
      same(before.slice(-2), between.slice(-2)) &&
      same(
        perm.map((axis) => before[axis] ?? null),
        after,
      );
    return fits ? { from: node.output, source, perm } : 'the batches come apart differently';
  },
  rewrite: ({ from, source, perm }, rewriter) =>
    rewriter.replace(from, rewriter.op('Transpose', [source], { attributes: { perm } })),
});

/** Operators that give a shape that the value has, or had before others of their kind. */
const emptyReshape = bypass('reshape-pair', [...relabelling], (node) => {
  for (const source of before(node, relabelling)) {
    if (sameShapes(node.output.type, source.type)) return source;
    if (splitsAndJoins(node, source)) return source;
  }
  return 'the shape changes, or is not known';
});

/** Of a chain that ends in a Reshape only the last shape counts. */
const reshapeChain = nodeRule<{ from: Value; source: Value; shape: readonly number[] }>({
  name: 'reshape-chain',
  roots: ['Reshape'],
  inspect: (node) => {
    const found = [...before(node, relabelling)].slice(1).reverse();
    for (const source of found) {
      const shape = reshapeTo(dimsOf(source), dimsOf(node.output));
      if (shape !== undefined) return { from: node.output, source, shape };
    }
    return 'nothing before it gives only a shape, or it cannot be written without it';
  },
  rewrite: ({ from, source, shape }, rewriter) =>
    rewriter.replace(from, rewriter.op('Reshape', [source, rewriter.int64(shape)])),
});

/** Axes that one Unsqueeze adds and another one after it. */
const unsqueezeChain = nodeRule<{ from: Value; source: Value; axes: readonly number[] }>({
  name: 'unsqueeze-chain',
  roots: ['Unsqueeze'],
  inspect: (node) => {
    const inner = node.input(0)?.producer;
    const source = inner?.op === 'Unsqueeze' ? inner.input(0) : undefined;
    const rank = dimsOf(source)?.length;
    const [first, second] = [constantNumbers(inner?.input(1)), constantNumbers(node.input(1))];
    if (source === undefined || rank === undefined || first === undefined || second === undefined)
      return 'no Unsqueeze before it, or axes that are not known';
    const middle = rank + first.length;
    const outer = new Set(second.map((axis) => (axis < 0 ? axis + middle + second.length : axis)));
    const added = new Set(first.map((axis) => (axis < 0 ? axis + middle : axis)));
    const kept = Array.from({ length: middle + second.length }, (_, axis) => axis).filter(
      (axis) => !outer.has(axis),
    );
    const axes = [...outer, ...kept.filter((_, index) => added.has(index))].sort((a, b) => a - b);
    return { from: node.output, source, axes };
  },
  rewrite: ({ from, source, axes }, rewriter) =>
    rewriter.replace(from, rewriter.op('Unsqueeze', [source, rewriter.int64(axes)])),
});

/** Pairs of Reshape and Transpose that cancel: what a fusion leaves around itself. */
export const layoutFolds: readonly Rule[] = [
  keptOrder,
  transposePair,
  emptyReshape,
  batchedTranspose,
  reshapeChain,
  unsqueezeChain,
];

/** [0, 1, …, n - 1, n - 2]. */
export function swapsLast(perm: readonly number[]): boolean {
  const rank = perm.length;
  return rank >= 2 && perm.every((axis, index) => axis === (index < rank - 2 ? index : 2 * rank - 3 - index));
}

/**
 * The constant that makes a Reshape of `input` give `output`: numbers, 0 for what stays, at most one -1. Undefined
 * where more than one dimension hangs on something else.
 */
export function reshapeTo(
  input: readonly Dim[] | undefined,
  output: readonly Dim[] | undefined,
): readonly number[] | undefined {
  if (input === undefined || output === undefined) return undefined;
  const shape = output.map((dim, axis): number => {
    if (typeof dim === 'number') return dim;
    return sameDim(dim, input[axis] ?? null) === true ? 0 : -1;
  });
  // A dimension of 0 would be read as one that stays.
  const zero = shape.some((dim, axis) => dim === 0 && output[axis] === 0);
  return zero || shape.filter((dim) => dim === -1).length > 1 ? undefined : shape;
}

/** [.., .., D] → [0, 0, heads, D/heads] → [0, 0, D]: the first two dimensions are kept, whatever they are. */
function splitsAndJoins(node: Node, source: Value): boolean {
  const inner = node.input(0)?.producer;
  const dims = dimsOf(source);
  const width = dims?.length === 3 ? dims[2] : undefined;
  if (inner?.op !== 'Reshape' || inner.input(0) !== source || typeof width !== 'number') return false;
  const split = constantNumbers(inner.input(1));
  const joined = constantNumbers(node.input(1));
  return (
    node.op === 'Reshape' &&
    split?.length === 4 &&
    joined?.length === 3 &&
    [split[0], split[1], joined[0], joined[1]].every((dim) => dim === 0) &&
    (joined[2] === width || joined[2] === -1)
  );
}
