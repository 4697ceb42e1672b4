import { expect, it } from 'vitest';
import { float } from '../../../src/graph/attribute.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { constantTensor } from '../../../src/rewrite/constants.ts';
import { untranspose } from '../../../src/tensor/derived/transpose.ts';
import { randomWeight } from '../../support/run-model.ts';
import { build, type Example, folded, shapeOf, sizeOf } from './folded.ts';

const limit = 1e-6;
const cases: Readonly<Record<string, Example>> = {
  'a layer of GPT-2': {
    make: (b, x) => {
      const rows = b.op('Reshape', [x, b.int64([-1, 6])]);
      const w = b.weight('w', randomWeight('w', [6, 8], 1));
      const y = b.op('Gemm', [rows, w, b.weight('bias', randomWeight('bias', [8], 2))]);
      return b.op('Reshape', [y, shapeOf(b, [sizeOf(b, x, 0), sizeOf(b, x, 1), 8])]);
    },
    left: ['MatMul', 'Add'],
    limit,
  },
  'straight to heads': {
    make: (b, x) => {
      const rows = b.op('Reshape', [x, b.int64([-1, 6])]);
      const y = b.op('MatMul', [rows, b.weight('w', randomWeight('w', [6, 8], 1))]);
      const biased = b.op('Add', [b.weight('bias', randomWeight('bias', [8], 2)), y]);
      return b.op('Reshape', [biased, shapeOf(b, [sizeOf(b, x, 0), sizeOf(b, x, 1), 2, 4])]);
    },
    left: ['MatMul', 'Add', 'Reshape'],
    limit,
  },
  'a bias for every row stays behind the Reshape': {
    shape: [2, 4, 6],
    make: (b, x) => {
      const y = b.op('MatMul', [
        b.op('Reshape', [x, b.int64([8, 6])]),
        b.weight('w', randomWeight('w', [6, 5], 1)),
      ]);
      return b.op('Add', [y, b.weight('bias', randomWeight('bias', [8, 5], 2))]);
    },
    left: ['MatMul', 'Reshape', 'Add'],
    limit,
  },
  'a scaled Gemm stays': {
    shape: ['n', 6],
    make: (b, x) =>
      b.op('Gemm', [x, b.weight('w', randomWeight('w', [6, 5], 1))], { attributes: { alpha: float(0.5) } }),
    left: ['Gemm'],
  },
  'a Gemm of turned data stays': {
    shape: ['n', 6],
    make: (b, x) => b.op('Gemm', [x, b.op('Neg', [x])], { attributes: { transA: 1 } }),
    left: ['Neg', 'Gemm'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});

it('turns a weight [out, in] as quantizers undo it, under its name', async () => {
  const stored = randomWeight('head.weight', [5, 6], 1);
  const make: Example['make'] = (b, x) =>
    b.op('Gemm', [x, b.weight('head.weight', stored), b.float32([1, 2, 3, 4, 5])], {
      attributes: { transB: 1 },
    });
  const model = await folded({ shape: ['n', 6], make, left: ['MatMul', 'Add'], limit });
  const weight = constantTensor(model.graph.value('head.weight'));
  expect(weight?.shape).toEqual([6, 5]);
  expect(weight && untranspose(weight)).toBe(stored);
  expect(build({ shape: ['n', 6], make }).graph.value('head.weight')?.type).toEqual(
    tensorType('float32', [5, 6]),
  );
});
