/** Reductions in one spelling: the numbers stay, and so does what only looks alike. */
import { expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Value } from '../../../src/graph/value.ts';
import { constantNumbers } from '../../../src/rewrite/constants.ts';
import { type Example, folded, shapeOf, sizeOf } from './folded.ts';

function reduce(b: GraphBuilder, x: Value, axes: readonly number[], keepdims = 1, op = 'ReduceMean'): Value {
  return b.op(op, [x, b.int64(axes)], { attributes: { keepdims } });
}

const sum = (b: GraphBuilder, x: Value, axes: readonly number[], keepdims = 1): Value =>
  reduce(b, x, axes, keepdims, 'ReduceSum');

/** Sums come in another order. */
const limit = 1e-6;

const cases: Readonly<Record<string, Example>> = {
  'equal ones are one': {
    make: (b, x) => b.op('Sub', [reduce(b, x, [2]), b.op('Neg', [reduce(b, x, [-1])])]),
    left: ['ReduceMean', 'Neg', 'Sub'],
  },
  'over several axes in any order': {
    make: (b, x) => b.op('Sub', [reduce(b, x, [2, 1]), b.op('Neg', [reduce(b, x, [-2, -1])])]),
    left: ['ReduceMean', 'Neg', 'Sub'],
  },
  'of other axes are two': {
    make: (b, x) => b.op('Sub', [reduce(b, x, [1]), b.op('Neg', [reduce(b, x, [-1])])]),
    left: ['ReduceMean', 'ReduceMean', 'Neg', 'Sub'],
  },
  'axes that Unsqueeze puts back': {
    make: (b, x) => b.op('Unsqueeze', [reduce(b, x, [1], 0, 'ReduceMax'), b.int64([-2])]),
    left: ['ReduceMax'],
  },
  'axes that Reshape puts back': {
    make: (b, x) => {
      const mean = reduce(b, x, [-1, 1], 0);
      return b.op('Reshape', [mean, shapeOf(b, [sizeOf(b, mean, 0), 1, 1])]);
    },
    left: ['ReduceMean'],
  },
  'of everything': {
    make: (b, x) => {
      const all = b.op('ReduceMean', [x], { attributes: { keepdims: 0 } });
      return b.op('Reshape', [all, b.int64([1, 1, 1])]);
    },
    left: ['ReduceMean'],
  },
  'put back elsewhere': {
    make: (b, x) => b.op('Unsqueeze', [reduce(b, x, [1], 0), b.int64([2])]),
    left: ['ReduceMean', 'Unsqueeze'],
  },
  'put back for one of two readers': {
    make: (b, x) => {
      const mean = reduce(b, x, [1], 0);
      return [b.op('Unsqueeze', [mean, b.int64([1])]), b.op('Exp', [mean])];
    },
    left: ['ReduceMean', 'Unsqueeze', 'Exp'],
  },
  'a sum over its number of terms': {
    make: (b, x) => b.op('Div', [sum(b, x, [3, 2]), b.float32([12])]),
    shape: ['n', 4, 6, 2],
    left: ['ReduceMean'],
    limit,
  },
  'a sum times the inverse, rounded': {
    make: (b, x) => b.op('Mul', [b.scalar(1 / 6), sum(b, x, [-1], 0)]),
    left: ['ReduceMean'],
    limit,
  },
  'a sum that is read as it is': {
    make: (b, x) => {
      const total = sum(b, x, [-1]);
      return [b.op('Div', [total, b.scalar(6)]), b.op('Exp', [total])];
    },
    left: ['ReduceSum', 'Div', 'Exp'],
  },
  'a sum over one term less': {
    make: (b, x) => b.op('Div', [sum(b, x, [-1]), b.scalar(5)]),
    left: ['ReduceSum', 'Div'],
  },
  'a number over a sum': {
    make: (b, x) => b.op('Div', [b.scalar(6), sum(b, x, [-1])]),
    left: ['ReduceSum', 'Div'],
  },
  'a sum over a number with more axes': {
    make: (b, x) => b.op('Div', [sum(b, x, [-1], 0), b.float32([6], [1, 1, 1])]),
    left: ['ReduceSum', 'Div'],
  },
  'a sum of as many as there are': {
    make: (b, x) => b.op('Div', [sum(b, x, [0]), b.scalar(3)]),
    left: ['ReduceSum', 'Div'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});

it('counts axes from the last', async () => {
  const model = await folded({ make: (b, x) => reduce(b, x, [2, 0]), left: ['ReduceMean'] });
  const [node] = model.graph.nodes();
  expect(constantNumbers(node?.input(1))).toEqual([-3, -1]);
});
