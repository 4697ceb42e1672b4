/**
 * One spelling for linear layers: Add(MatMul(x, w), bias) on the value as it is, of any rank. Gemm takes two axes, so
 * exporters flatten the value before it and give it its shape again behind it; those Reshapes move behind the layer,
 * where they meet. Numbers change by the order of sums at most.
 */
import { sameDim } from '../../graph/infer/dims.ts';
import type { Dim } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { constantTensor } from '../../rewrite/constants.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { reshapeTo } from '../folds.ts';
import { constantLike } from './rule-forms.ts';

interface Gemm {
  readonly from: Value;
  readonly left: Value;
  readonly right: Value;
  /** The transpose of `right`, where it has to be turned. */
  readonly turned: Tensor | undefined;
  readonly bias: Value | undefined;
}

const gemm = nodeRule<Gemm>({
  name: 'gemm-to-matmul',
  roots: ['Gemm'],
  inspect: (node) => {
    const [left, right, bias] = [node.input(0), node.input(1), node.input(2)];
    if (left === undefined || right === undefined) return 'an input is left out';
    if ((node.float('alpha') ?? 1) !== 1 || (bias !== undefined && (node.float('beta') ?? 1) !== 1))
      return 'a factor that is not 1';
    if ((node.int('transA') ?? 0) !== 0) return 'the left side is turned';
    if (left.type?.kind !== 'tensor' || !left.type.dtype.match(/^b?float/)) return 'not of a float type';
    const turns = (node.int('transB') ?? 0) !== 0;
    const weight = constantTensor(right);
    if (turns && weight === undefined) return 'the right side is turned and no constant';
    return {
      from: node.output,
      left,
      right,
      turned: turns && weight !== undefined ? transpose2d(weight) : undefined,
      bias,
    };
  },
  rewrite: ({ from, left, right, turned, bias }, rewriter) => {
    const weight = turned === undefined ? right : constantLike(right, turned, rewriter);
    const product = rewriter.op('MatMul', [left, weight]);
    rewriter.replace(from, bias === undefined ? product : rewriter.op('Add', [product, bias]));
  },
});

interface Flattened {
  readonly from: Value;
  readonly source: Value;
  readonly other: Value;
  readonly side: number;
  readonly shape: readonly number[];
}

/** The value before a Reshape that joins all axes but the last. */
function flattened(value: Value | undefined): Value | undefined {
  const node = value?.producer;
  const source = node?.op === 'Reshape' ? node.input(0) : undefined;
  const [before, after] = [dimsOf(source), dimsOf(value)];
  if (before === undefined || after?.length !== 2 || before.length < 3) return undefined;
  return sameDim(before.at(-1) ?? null, after[1] ?? null) === true ? source : undefined;
}

/** A product with a matrix, and a sum with a row or one number, of a value that was flattened. */
const flattenLater = nodeRule<Flattened>({
  name: 'flatten-later',
  roots: ['MatMul', 'Add'],
  inspect: (node) => {
    for (const side of node.op === 'Add' ? [0, 1] : [0]) {
      const [source, other] = [flattened(node.input(side)), node.input(1 - side)];
      const operand = other === undefined ? undefined : constantTensor(other);
      if (source === undefined || other === undefined || operand === undefined) continue;
      const fits = node.op === 'MatMul' ? operand.shape.length === 2 : operand.shape.length < 2;
      const before = dimsOf(source);
      const last: Dim = dimsOf(node.output)?.[1] ?? null;
      const shape = before && reshapeTo(before.with(-1, last), dimsOf(node.output));
      if (fits && shape !== undefined) return { from: node.output, source, other, side, shape };
    }
    return 'no operand was flattened';
  },
  rewrite: ({ from, source, other, side, shape }, rewriter) => {
    const inputs = side === 0 ? [source, other] : [other, source];
    const result = rewriter.op(rewriter.root.opType, inputs);
    rewriter.replace(from, rewriter.op('Reshape', [result, rewriter.int64(shape)]));
  },
});

export const linearFolds: readonly Rule[] = [gemm, flattenLater];
