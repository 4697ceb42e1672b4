import { it } from 'vitest';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { type Example, folded, int64Scalar, shapeOf, sizeOf } from './folded.ts';

const seven = {
  attributes: {
    value: {
      kind: 'tensor',
      value: inlineTensor('float32', [1], new Uint8Array(Float32Array.of(7).buffer)),
    } as const,
  },
};

const cases: Readonly<Record<string, Example>> = {
  'Expand before a sum': {
    make: (b, x) => {
      const row = b.op('Expand', [b.float32([1, 2, 3, 4, 5, 6]), shapeOf(b, [sizeOf(b, x, 0), 4, 6])]);
      return b.op('Add', [row, x]);
    },
    left: ['Add'],
  },
  'Expand that makes the shape stays': {
    make: (b, x) => {
      const row = b.op('Slice', [x, b.int64([0]), b.int64([1]), b.int64([1])]);
      const all = b.op('Expand', [row, b.int64([1, 5, 1])]);
      return b.op('Add', [all, row]);
    },
    left: ['Slice', 'Expand', 'Add'],
  },
  'one of two is enough': {
    make: (b, x) => {
      const row = b.op('Slice', [x, b.int64([0]), b.int64([1]), b.int64([1])]);
      const all = b.op('Expand', [row, b.int64([1, 5, 1])]);
      return b.op('Mul', [all, b.op('Expand', [b.op('Neg', [row]), b.int64([1, 5, 1])])]);
    },
    left: ['Slice', 'Neg', 'Expand', 'Mul'],
  },
  'a tensor that is filled': {
    make: (b, x) => b.op('Min', [x, b.op('ConstantOfShape', [b.op('Shape', [x])], seven)]),
    left: ['Min'],
  },
  'frequencies by positions': {
    make: (b, x) => {
      const shape = shapeOf(b, [sizeOf(b, x, 0), 3, 1]);
      const frequencies = b.op('Expand', [b.float32([1, 0.1, 0.01], [1, 3, 1]), shape]);
      const positions = b.op('Slice', [x, b.int64([0]), b.int64([1]), b.int64([1])]);
      return b.op('MatMul', [frequencies, positions]);
    },
    left: ['Slice', 'MatMul'],
  },
  'a product that sums over repeated data stays': {
    make: (b, x) => {
      const column = b.op('Slice', [x, b.int64([0]), b.int64([1]), b.int64([2])]);
      return b.op('MatMul', [b.op('Expand', [column, b.int64([1, 1, 4])]), x]);
    },
    left: ['Slice', 'Expand', 'MatMul'],
  },
  'a product that sums over what is repeated stays': {
    make: (b, x) => {
      const repeated = b.op('Expand', [b.float32([1, 2, 3], [1, 3, 1]), b.int64([1, 1, 4])]);
      return b.op('MatMul', [
        b.op('Add', [repeated, b.op('Cast', [sizeOf(b, x, 0)], { attributes: { to: 1 } })]),
        x,
      ]);
    },
    left: ['Shape', 'Gather', 'Cast', 'Add', 'MatMul'],
  },
  'the numbers of a range': {
    make: (b, x) => {
      const line = b.op('Range', [int64Scalar(b, 0), sizeOf(b, x, 0), int64Scalar(b, 1)]);
      const twice = b.op('Concat', [line, line], { attributes: { axis: 0 } });
      const full = b.op('ConstantOfShape', [b.op('Shape', [line])], {
        attributes: { value: { kind: 'tensor', value: inlineTensor('int64', [1], new Uint8Array(8)) } },
      });
      return [b.op('Mul', [line, full]), b.op('Neg', [twice])];
    },
    left: ['Shape', 'Gather', 'Range', 'Concat', 'Mul', 'Neg'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});
