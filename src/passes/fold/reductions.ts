/**
 * One spelling for reductions: axes counted from the last (-1, ascending), so that equal ones are one; keepdims where
 * the axes come back at once; means as ReduceMean.
 */
import { sameDim } from '../../graph/infer/dims.ts';
import type { Node } from '../../graph/node.ts';
import type { Dim } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { constantNumbers, constantScalar, constantTensor } from '../../rewrite/constants.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { isFloat } from '../../tensor/dtype.ts';

const reductions = 'L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare'
  .split(' ')
  .map((name) => `Reduce${name}`);

/** The axes that a reduction is over, ascending; undefined where they or the rank are not known. */
function axesOf(node: Node): readonly number[] | undefined {
  const rank = dimsOf(node.input(0))?.length;
  // Older operator sets have them as an attribute.
  if (rank === undefined || node.attributes.has('axes')) return undefined;
  const given = node.input(1) === undefined ? [] : constantNumbers(node.input(1));
  if (given === undefined) return undefined;
  if (given.length === 0) return node.int('noop_with_empty_axes') === 1 ? [] : [...Array(rank).keys()];
  const axes = given.map((axis) => (axis < 0 ? axis + rank : axis));
  return [...new Set(axes)].sort((a, b) => a - b);
}

interface Spelled {
  readonly node: Node;
  /** From the last, -1. */
  readonly axes: readonly number[];
}

const axesFromLast = nodeRule<Spelled>({
  name: 'axes-from-last',
  roots: reductions,
  inspect: (node) => {
    const [rank, given] = [dimsOf(node.input(0))?.length ?? 0, constantNumbers(node.input(1))];
    const axes = axesOf(node)?.map((axis) => axis - rank);
    if (axes === undefined || given === undefined || given.length === 0) return 'no axes that are known';
    return String(axes) === String(given) ? 'they count from the last' : { node, axes };
  },
  rewrite: ({ node, axes }, rewriter) => {
    const attributes = Object.fromEntries(node.attributes);
    const inputs = [node.input(0) ?? null, rewriter.int64(axes)];
    rewriter.replace(node.output, rewriter.op(node.opType, inputs, { attributes }));
  },
});

interface Restored {
  readonly from: Value;
  readonly reduction: Node;
}

/** A shape of 1 for each axis that a reduction dropped, given to what nobody else reads. */
const axesComeBack = nodeRule<Restored>({
  name: 'axes-come-back',
  roots: ['Reshape', 'Unsqueeze'],
  inspect: (node) => {
    const reduction = onlyFor(node, node.input(0), reductions);
    if (reduction === undefined) return 'no reduction before it, or it is read elsewhere';
    const axes = reduction.int('keepdims') === 0 ? axesOf(reduction) : undefined;
    const kept = dimsOf(reduction.input(0))?.map((dim, axis): Dim => (axes?.includes(axis) ? 1 : dim));
    if (axes === undefined || kept === undefined) return 'it keeps its axes, or they are not known';
    const restores =
      node.op === 'Unsqueeze'
        ? addedAxes(node, kept.length) === String(axes)
        : sameSizes(kept, dimsOf(node.output));
    return restores ? { from: node.output, reduction } : 'the shape is another';
  },
  rewrite: ({ from, reduction }, rewriter) => {
    const attributes = { ...Object.fromEntries(reduction.attributes), keepdims: 1 };
    rewriter.replace(from, rewriter.op(reduction.opType, reduction.inputs, { attributes }));
  },
});

interface Mean {
  readonly from: Value;
  readonly sum: Node;
}

/** A sum over its number of terms. */
const sumOverCount = nodeRule<Mean>({
  name: 'sum-over-count',
  roots: ['Div', 'Mul'],
  inspect: (node) => {
    for (const side of node.op === 'Div' ? [0] : [0, 1]) {
      const sum = onlyFor(node, node.input(side), ['ReduceSum']);
      const factor = node.input(1 - side);
      const number = constantScalar(factor);
      if (sum === undefined || number === undefined) continue;
      const dims = dimsOf(sum.input(0));
      const terms = axesOf(sum)?.reduce((count, axis) => {
        const dim = dims?.[axis];
        return typeof dim === 'number' ? count * dim : Number.NaN;
      }, 1);
      const type = sum.output.type;
      if (terms === undefined || type?.kind !== 'tensor' || !isFloat(type.dtype)) continue;
      const once = node.op === 'Div' ? terms / number : terms * number;
      const rank = constantTensor(factor)?.shape.length ?? Number.POSITIVE_INFINITY;
      if (Math.abs(once - 1) <= roundedInverse && rank <= (type.shape?.length ?? 0)) {
        return { from: node.output, sum };
      }
    }
    return 'no sum divided by the number of its terms';
  },
  rewrite: ({ from, sum }, rewriter) =>
    rewriter.replace(
      from,
      rewriter.op('ReduceMean', sum.inputs, { attributes: Object.fromEntries(sum.attributes) }),
    ),
});

/** How far 1 / n in float32 may be off, relative. Coarser types are taken only where they are exact. */
const roundedInverse = 2 ** -23;

export const reductionFolds: readonly Rule[] = [axesFromLast, axesComeBack, sumOverCount];

/** The node of a value that only `reader` reads. */
function onlyFor(reader: Node, value: Value | undefined, ops: readonly string[]): Node | undefined {
  const node = value?.producer;
  if (node === undefined || !ops.includes(node.op) || node.graph !== reader.graph) return undefined;
  return node.output.isOutput || node.output.consumers().some((other) => other !== reader) ? undefined : node;
}

/** The axes of an Unsqueeze to this rank, as axesOf would give them. */
function addedAxes(node: Node, rank: number): string | undefined {
  const axes = constantNumbers(node.input(1))?.map((axis) => (axis < 0 ? axis + rank : axis));
  return axes === undefined ? undefined : String(axes.sort((a, b) => a - b));
}

function sameSizes(a: readonly Dim[], b: readonly Dim[] | undefined): boolean {
  return a.length === b?.length && a.every((dim, axis) => sameDim(dim, b[axis] ?? null) === true);
}
