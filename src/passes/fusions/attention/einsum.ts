/**
 * Einsum of two operands as a MatMul between Transposes, where it is a product of matrices: one axis is summed over, one
 * stands on the left only, one on the right only, the others are batch.
 */
import type { Node } from '../../../graph/node.ts';
import type { Value } from '../../../graph/value.ts';
import { nodeRule, type Rule } from '../../../rewrite/rule.ts';
import { transposed } from './layout.ts';

interface Product {
  readonly left: Value;
  readonly right: Value;
  /** Orders of axes: of the operands before the MatMul, of its output after it. */
  readonly leftOrder: readonly number[];
  readonly rightOrder: readonly number[];
  readonly outputOrder: readonly number[];
  readonly output: Value;
}

export const einsumProducts: Rule = nodeRule({
  name: 'einsum-product',
  roots: ['Einsum'],
  inspect,
  rewrite: ({ left, right, leftOrder, rightOrder, outputOrder, output }, rewriter) => {
    const operands = [transposed(rewriter, left, leftOrder), transposed(rewriter, right, rightOrder)];
    rewriter.replace(output, transposed(rewriter, rewriter.op('MatMul', operands), outputOrder));
  },
});

function inspect(node: Node): Product | string {
  const [left, right] = [node.input(0), node.input(1)];
  const [inputs = '', result = ''] = (node.string('equation') ?? '').replaceAll(' ', '').split('->');
  const [a = '', b = '', ...more] = inputs.split(',');
  if (left === undefined || right === undefined || more.length > 0) return 'not of two operands';
  const terms = [a, b, result];
  if (terms.some((term) => !/^[a-zA-Z]+$/.test(term) || new Set(term).size < term.length)) {
    return 'axes are repeated, or not named';
  }
  const all = [...new Set(a + b)];
  const summed = all.filter((axis) => a.includes(axis) && b.includes(axis) && !result.includes(axis));
  const onLeft = all.filter((axis) => !b.includes(axis));
  const onRight = all.filter((axis) => !a.includes(axis));
  const batch = [...result].filter((axis) => a.includes(axis) && b.includes(axis));
  if ([summed, onLeft, onRight].some((axes) => axes.length !== 1)) return 'no product of matrices';
  if (result.length !== batch.length + 2) return 'an axis is summed on one side';
  const order = (term: string, axes: readonly string[]): readonly number[] =>
    axes.map((axis) => term.indexOf(axis));
  const made = [...batch, ...onLeft, ...onRight].join('');
  return {
    left,
    right,
    leftOrder: order(a, [...batch, ...onLeft, ...summed]),
    rightOrder: order(b, [...batch, ...summed, ...onRight]),
    outputOrder: order(made, [...result]),
    output: node.output,
  };
}
