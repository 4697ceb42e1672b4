import { expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Value } from '../../../src/graph/value.ts';
import { randomWeight } from '../../support/run-model.ts';
import { bools, type Example, folded, type Make } from './folded.ts';

const weight = (b: GraphBuilder, name: string, ...shape: number[]): Value =>
  b.weight(name, randomWeight(name, shape, shape.length));
const cut = (b: GraphBuilder, x: Value, begin: number, end: number, axis = 0): Value =>
  b.op('Slice', [x, b.int64([begin]), b.int64([end]), b.int64([axis])]);
const ids = (b: GraphBuilder, begin: number, count: number): Value =>
  b.int64(
    Array.from({ length: count }, (_, index) => begin + index),
    [1, count],
  );

/** How weights that are far too large to be read are folded: by derivation, under the weight's name. */
const cases: Readonly<Record<string, { readonly make: Make; readonly left: readonly string[] }>> = {
  'the table of positions': {
    make: (b, x) => b.op('Add', [x, b.op('Gather', [weight(b, 'table', 4, 6), ids(b, 0, 4)])]),
    left: ['Add'],
  },
  'some rows of it': {
    make: (b, x) => b.op('Add', [x, b.op('Gather', [weight(b, 'table', 9, 6), ids(b, 3, 4)])]),
    left: ['Add'],
  },
  'a slice of rows': {
    make: (b, x) => b.op('Add', [x, cut(b, weight(b, 'table', 1, 9, 6), -5, -1, 1)]),
    left: ['Add'],
  },
  'parts of a packed weight': {
    make: (b, x) => {
      const parts = b.ops('Split', [weight(b, 'packed', 12, 6), b.int64([5, 7])], 2);
      return b.op('MatMul', [x, b.op('Transpose', parts.slice(1), { attributes: { perm: [1, 0] } })]);
    },
    left: ['MatMul'],
  },
  'weights joined to one': {
    make: (b, x) => {
      const rows = [weight(b, 'q', 4, 6), weight(b, 'k', 2, 6)];
      const packed = b.op('Concat', rows, { attributes: { axis: 0 } });
      return b.op('MatMul', [x, b.op('Transpose', [packed], { attributes: { perm: [1, 0] } })]);
    },
    left: ['MatMul'],
  },
  'axes of 1 that move': {
    make: (b, x) =>
      b.op('Mul', [x, b.op('Transpose', [weight(b, 'scale', 1, 4, 1)], { attributes: { perm: [0, 1, 2] } })]),
    left: ['Mul'],
  },
};

it.each(Object.entries(cases))('%s', async (_, { make, left }) => {
  const model = await folded({ make, left });
  const origins = [...model.graph.initializers()].map(({ initializer }) => initializer.origin.kind);
  expect(origins).not.toContain('inline');
});

/** What small constants come to is computed. */
const computed: Readonly<Record<string, Example>> = {
  'a scale': {
    make: (b, x) => b.op('Mul', [x, b.op('Div', [b.scalar(1), b.op('Sqrt', [b.scalar(64)])])]),
    left: ['Mul'],
  },
  'rows in another order': {
    make: (b, x) => b.op('Add', [x, b.op('Gather', [weight(b, 'table', 4, 6), b.int64([0, 2, 1, 3])])]),
    left: ['Add'],
  },
  'columns of a weight': {
    make: (b, x) => b.op('Add', [x, cut(b, weight(b, 'table', 4, 9), 2, 8, 1)]),
    left: ['Add'],
  },
  'a causal mask': {
    make: (b, x) => {
      const line = b.op('Range', [b.int64([0], []), b.int64([4], []), b.int64([1], [])]);
      const later = b.op('Less', [b.op('Unsqueeze', [line, b.int64([1])]), line]);
      return b.op('Where', [
        b.op('Concat', [later, bools(b, [0, 0, 0, 0, 0, 0, 0, 0], [4, 2])], { attributes: { axis: 1 } }),
        b.scalar(Number.NEGATIVE_INFINITY),
        x,
      ]);
    },
    left: ['Where'],
  },
  'but nothing random': {
    make: (b, x) => {
      const noise = b.op('RandomUniformLike', [b.float32([1, 2, 3, 4, 5, 6])]);
      return b.op('Add', [x, b.op('Mul', [noise, b.scalar(0)])]);
    },
    left: ['RandomUniformLike', 'Mul', 'Add'],
  },
  'nor what is far larger than its inputs': {
    make: (b, x) => {
      const large = b.op('Expand', [b.scalar(2), b.int64([600, 1000])]);
      return b.op('Add', [x, b.op('ReduceMean', [large])]);
    },
    left: ['Expand', 'ReduceMean', 'Add'],
  },
  'nor quantized weights': {
    make: (b, x) => {
      const bytes = b.op('QuantizeLinear', [weight(b, 'w', 6, 6), b.scalar(0.01)]);
      return b.op('MatMul', [x, b.op('DequantizeLinear', [bytes, b.scalar(0.01)])]);
    },
    left: ['QuantizeLinear', 'DequantizeLinear', 'MatMul'],
  },
};

it.each(Object.entries(computed))('computes %s', async (_, each) => {
  await folded(each);
});
