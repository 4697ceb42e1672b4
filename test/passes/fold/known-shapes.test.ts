import { expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Value } from '../../../src/graph/value.ts';
import { constantNumbers } from '../../../src/rewrite/constants.ts';
import { memorySource } from '../../../src/tensor/byte-source.ts';
import { sourceTensor } from '../../../src/tensor/tensor.ts';
import { bools, type Example, folded, int64Scalar, shapeOf, sizeOf } from './folded.ts';

/** [n, m, 6] → [?, ?, 6]: what rows of two sizes broadcast to. */
const unknownRows = (b: GraphBuilder, x: Value): Value =>
  b.op('Add', [x, b.op('Transpose', [x], { attributes: { perm: [1, 0, 2] } })]);

const cases: Readonly<Record<string, Example & { readonly numbers?: readonly number[] }>> = {
  'Reshape to computed heads': {
    make: (b, x) => b.op('Reshape', [x, shapeOf(b, [sizeOf(b, x, 0), sizeOf(b, x, 1), 2, 3])]),
    left: ['Reshape'],
    numbers: [0, 4, 2, 3],
  },
  'Reshape with one dimension that is nowhere else': {
    make: (b, x) => b.op('Reshape', [x, shapeOf(b, [b.op('Mul', [sizeOf(b, x, 0), int64Scalar(b, 4)]), 6])]),
    left: ['Reshape'],
    numbers: [-1, 6],
  },
  'Reshape that stays, for two dimensions are elsewhere': {
    shape: ['n', 'm', 6],
    make: (b, x) => b.op('Reshape', [x, shapeOf(b, [6, sizeOf(b, x, 0), sizeOf(b, x, 1)])]),
    left: ['Shape', 'Gather', 'Gather', 'Unsqueeze', 'Unsqueeze', 'Concat', 'Reshape'],
  },
  'Reshape by sizes of its own that are not known': {
    shape: ['n', 'm', 6],
    make: (b, x) => {
      const y = unknownRows(b, x);
      return b.op('Reshape', [y, shapeOf(b, [sizeOf(b, y, 0), sizeOf(b, y, 1), 2, 3])]);
    },
    left: ['Transpose', 'Add', 'Reshape'],
    numbers: [0, 0, 2, 3],
  },
  'Reshape by the first of its own sizes and what is left': {
    shape: ['n', 'm', 6],
    make: (b, x) => {
      const y = unknownRows(b, x);
      const kept = b.op('Slice', [b.op('Shape', [y]), b.int64([0]), b.int64([1])]);
      const parts = b.op('Reshape', [y, b.int64([0, 0, 3, 2])]);
      const pairs = b.op('Transpose', [parts], { attributes: { perm: [0, 1, 3, 2] } });
      const joined = b.op('Concat', [b.op('Shape', [pairs], { attributes: { end: 2 } }), b.int64([-1])], {
        attributes: { axis: 0 },
      });
      const flat = b.op('Concat', [kept, b.int64([-1])], { attributes: { axis: 0 } });
      return [b.op('Reshape', [pairs, joined]), b.op('Reshape', [b.op('Neg', [y]), flat])];
    },
    left: [
      'Transpose',
      'Add',
      'Shape',
      'Slice',
      'Reshape',
      'Transpose',
      'Concat',
      'Reshape',
      'Neg',
      'Reshape',
    ],
  },
  'Reshape by its own sizes in another order': {
    shape: ['n', 'm', 6],
    make: (b, x) => {
      const y = unknownRows(b, x);
      return b.op('Reshape', [y, shapeOf(b, [sizeOf(b, y, 1), sizeOf(b, y, 0), 6])]);
    },
    left: ['Transpose', 'Add', 'Shape', 'Gather', 'Gather', 'Unsqueeze', 'Unsqueeze', 'Concat', 'Reshape'],
  },
  'Reshape by sizes of something else': {
    shape: ['n', 'm', 6],
    make: (b, x) => {
      const y = unknownRows(b, x);
      return b.op('Reshape', [y, shapeOf(b, [sizeOf(b, x, 1), sizeOf(b, x, 1), 6])]);
    },
    left: ['Transpose', 'Add', 'Shape', 'Gather', 'Unsqueeze', 'Concat', 'Reshape'],
  },
  'a chain of Reshapes': {
    make: (b, x) =>
      b.op('Reshape', [b.op('Flatten', [x], { attributes: { axis: 2 } }), b.int64([-1, 4, 3, 2])]),
    left: ['Reshape'],
    numbers: [0, 4, 3, 2],
  },
  Unsqueezes: {
    make: (b, x) =>
      b.op('Neg', [b.op('Unsqueeze', [b.op('Unsqueeze', [x, b.int64([1])]), b.int64([0, -1])])]),
    left: ['Unsqueeze', 'Neg'],
    numbers: [0, 2, 5],
  },
  'Expand to where it is': {
    make: (b, x) => b.op('Neg', [b.op('Expand', [x, shapeOf(b, [sizeOf(b, x, 0), sizeOf(b, x, 1), 6])])]),
    left: ['Neg'],
  },
  'Expand of one axis among symbols': {
    make: (b, x) =>
      b.op('Expand', [b.op('Unsqueeze', [x, b.int64([1])]), shapeOf(b, [sizeOf(b, x, 0), 3, 4, 6])]),
    left: ['Unsqueeze', 'Expand'],
    numbers: [1, 3, 4, 6],
  },
  'Expand by a size that stays': {
    make: (b, x) => {
      const shape = shapeOf(b, [sizeOf(b, x, 0), 4, 6]);
      return b.op('Expand', [b.float32([1, 2, 3, 4, 5, 6]), shape]);
    },
    left: ['Shape', 'Expand'],
  },
  'Slice up to half, which stays': {
    make: (b, x) => {
      const twice = b.op('Concat', [x, x], { attributes: { axis: 0 } });
      return b.op('Slice', [twice, b.int64([0]), shapeOf(b, [sizeOf(b, x, 0)]), b.int64([0])]);
    },
    left: ['Concat', 'Shape', 'Gather', 'Unsqueeze', 'Slice'],
  },
  'a transpose of joined batches': {
    shape: ['n', 'h', 'm', 6],
    make: (b, x) => {
      const [n, h, m] = [0, 1, 2].map((axis) => sizeOf(b, x, axis));
      if (n === undefined || h === undefined || m === undefined) throw new Error('no sizes');
      const joined = b.op('Reshape', [x, shapeOf(b, [b.op('Mul', [n, h]), m, 6])]);
      const turned = b.op('Transpose', [joined], { attributes: { perm: [0, 2, 1] } });
      return b.op('Reshape', [turned, shapeOf(b, [n, h, 6, m])]);
    },
    left: ['Transpose'],
  },
  'a transpose of batches that come apart differently stays': {
    shape: [2, 3, 'm', 6],
    make: (b, x) => {
      const joined = b.op('Reshape', [x, shapeOf(b, [6, sizeOf(b, x, 2), 6])]);
      const turned = b.op('Transpose', [joined], { attributes: { perm: [0, 2, 1] } });
      return b.op('Reshape', [turned, shapeOf(b, [3, 2, 6, sizeOf(b, x, 2)])]);
    },
    left: ['Reshape', 'Transpose', 'Reshape'],
  },
  'a transpose of other matrices than it seems stays': {
    shape: [2, 3, 4, 6],
    make: (b, x) => {
      const joined = b.op('Reshape', [x, b.int64([4, 6, 6])]);
      const turned = b.op('Transpose', [joined], { attributes: { perm: [0, 2, 1] } });
      return b.op('Reshape', [turned, b.int64([2, 3, 6, 4])]);
    },
    left: ['Reshape', 'Transpose', 'Reshape'],
  },
  'a zero that means zero stays one': {
    make: (b, x) => {
      const nothing = b.op('Slice', [x, b.int64([0]), b.int64([0]), b.int64([1])]);
      return b.op('Reshape', [nothing, b.int64([0, 5])], { attributes: { allowzero: 1 } });
    },
    left: ['Slice', 'Reshape'],
  },
  'the -1 of torch.expand': {
    make: (b, x) => {
      const wanted = shapeOf(b, [sizeOf(b, x, 0), -1, 6]);
      const ones = b.op('ConstantOfShape', [b.op('Shape', [wanted])]);
      const int = b.op('Cast', [b.op('Add', [ones, b.scalar(1)])], { attributes: { to: 7 } });
      const minus = b.op('Mul', [int, int64Scalar(b, -1)]);
      const row = b.op('Slice', [x, b.int64([0]), b.int64([1]), b.int64([1])]);
      return b.op('Expand', [row, b.op('Where', [b.op('Equal', [wanted, minus]), int, wanted])]);
    },
    left: ['Slice'],
  },
  'Slice up to a size': {
    make: (b, x) =>
      b.op('Neg', [b.op('Slice', [x, b.int64([0]), shapeOf(b, [sizeOf(b, x, 0)]), b.int64([0])])]),
    left: ['Neg'],
  },
  'Slice behind the first': {
    shape: ['n', 4, 6],
    make: (b, x) => {
      const twice = b.op('Concat', [x, x], { attributes: { axis: 0 } });
      const end = shapeOf(b, [sizeOf(b, twice, 0)]);
      return b.op('Slice', [twice, b.int64([1]), end, b.int64([0])]);
    },
    left: ['Concat', 'Slice'],
  },
  'equal sizes from different places': {
    make: (b, x) => {
      const y = b.op('Neg', [x]);
      const range = (of: typeof x) => b.op('Range', [int64Scalar(b, 0), sizeOf(b, of, 0), int64Scalar(b, 1)]);
      return b.op('Sub', [range(x), b.op('Mul', [range(y), int64Scalar(b, 2)])]);
    },
    left: ['Shape', 'Gather', 'Range', 'Mul', 'Sub'],
  },
  'a choice that never depends on the size': {
    make: (b, x) => {
      const size = sizeOf(b, x, 0);
      const positive = b.op('Where', [b.op('Less', [size, int64Scalar(b, 0)]), int64Scalar(b, 7), size]);
      return b.op('Range', [
        int64Scalar(b, 0),
        b.op('Max', [positive, int64Scalar(b, 0)]),
        int64Scalar(b, 1),
      ]);
    },
    left: ['Shape', 'Gather', 'Range'],
  },
  'a choice that may depend on it stays': {
    make: (b, x) => {
      const size = sizeOf(b, x, 0);
      return b.op('Where', [b.op('Less', [size, int64Scalar(b, 4)]), int64Scalar(b, 7), size]);
    },
    left: ['Shape', 'Gather', 'Less', 'Where'],
  },
  'half of a size': {
    make: (b, x) => {
      const half = b.op('Div', [sizeOf(b, x, 0), int64Scalar(b, 2)]);
      const other = b.op('Sub', [sizeOf(b, b.op('Neg', [x]), 0), b.op('Sub', [sizeOf(b, x, 0), half])]);
      return b.op('Sub', [b.op('Mul', [half, int64Scalar(b, 3)]), other]);
    },
    left: ['Shape', 'Gather', 'Div', 'Mul', 'Sub'],
  },
  'sizes that a constant decides': {
    make: (b, x) => {
      const sizes = b.op('Where', [bools(b, [1, 0]), shapeOf(b, [sizeOf(b, x, 1), 5]), b.int64([8, 9])]);
      return b.op('Mul', [sizes, sizeOf(b, x, 0)]);
    },
    left: ['Shape', 'Gather', 'Mul'],
  },
};

it('reads parameters that lie in a file of their own', async () => {
  const shape = new Uint8Array(BigInt64Array.of(0n, 4n, 2n, 3n).buffer);
  const model = await folded({
    make: (b, x) => {
      const four = b.weight(
        'shape',
        sourceTensor({ dtype: 'int64', shape: [4] }, memorySource('shape', shape), 0, 'shape'),
      );
      return b.op('Reshape', [b.op('Unsqueeze', [x, b.int64([0])]), b.op('Identity', [four])]);
    },
    shape: [1, 4, 6],
    left: ['Reshape'],
  });
  expect(constantNumbers([...model.graph.nodes()][0]?.input(1))).toEqual([1, 4, 2, 3]);
});

it.each(Object.entries(cases))('%s', async (_, each) => {
  const model = await folded(each);
  if (each.numbers === undefined) return;
  const shaped = [...model.graph.nodes()].find(({ op }) => ['Reshape', 'Expand', 'Unsqueeze'].includes(op));
  const last = [...model.graph.nodes()].findLast(({ op }) => op === shaped?.op || op === 'Expand');
  expect(constantNumbers(last?.input(1))).toEqual(each.numbers);
});
