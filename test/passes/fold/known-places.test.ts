/** Gathers whose indices only count, as torch's exporters spell `mask[batch_index, key_index]`. */
import { it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Value } from '../../../src/graph/value.ts';
import { type Example, folded, int64Scalar, shapeOf, sizeOf } from './folded.ts';

const range = (b: GraphBuilder, end: Value, begin = 0, step = 1): Value =>
  b.op('Range', [int64Scalar(b, begin), end, int64Scalar(b, step)]);
const along = (b: GraphBuilder, value: Value, ...axes: number[]): Value =>
  b.op('Unsqueeze', [value, b.int64(axes)]);
/** The count of the rows [n, 1, 1] and of the columns [1, 1, m] of x [n, m]. */
const places = (b: GraphBuilder, x: Value) => ({
  rows: along(b, range(b, sizeOf(b, x, 0)), 1, 2),
  columns: along(b, range(b, sizeOf(b, x, 1)), 0, 1),
});
const flat = (b: GraphBuilder, x: Value, index: Value): Value =>
  b.op('Gather', [b.op('Reshape', [x, b.int64([-1])]), index]);
const stacked = (b: GraphBuilder, x: Value, first: Value, second: Value): Value => {
  const shape = shapeOf(b, [sizeOf(b, x, 0), 1, sizeOf(b, x, 1)]);
  const parts = [first, second].map((part) => along(b, b.op('Expand', [part, shape]), 3));
  return b.op('GatherND', [x, b.op('Concat', parts, { attributes: { axis: -1 } })]);
};

const shape = ['n', 'm'];
const cases: Readonly<Record<string, Example>> = {
  'a Gather of the flattened mask': {
    shape,
    make: (b, x) => {
      const { rows, columns } = places(b, x);
      return flat(b, x, b.op('Add', [b.op('Mul', [rows, sizeOf(b, x, 1)]), columns]));
    },
    left: ['Reshape'],
  },
  'with indices that may be from the back': {
    shape,
    make: (b, x) => {
      const { rows, columns } = places(b, x);
      const wrapped = b.op('Where', [
        b.op('Less', [rows, int64Scalar(b, 0)]),
        b.op('Add', [rows, sizeOf(b, x, 0)]),
        rows,
      ]);
      return flat(b, x, b.op('Add', [columns, b.op('Mul', [sizeOf(b, x, 1), wrapped])]));
    },
    left: ['Reshape'],
  },
  'a GatherND': {
    shape,
    make: (b, x) => {
      const { rows, columns } = places(b, x);
      return stacked(b, x, rows, columns);
    },
    left: ['Reshape'],
  },
  'a GatherND at constant places': {
    shape: [2, 3],
    make: (b, x) => {
      const { rows, columns } = places(b, x);
      return b.op('Neg', [stacked(b, x, rows, columns)]);
    },
    left: ['Reshape', 'Neg'],
  },
  'backwards it stays': {
    shape: [2, 3],
    make: (b, x) => flat(b, x, b.int64([5, 4, 3, 2, 1, 0])),
    left: ['Reshape', 'Gather'],
  },
  'in another order it stays': {
    shape: [2, 3],
    make: (b, x) => flat(b, x, b.int64([0, 2, 4, 1, 3, 5], [3, 2])),
    left: ['Reshape', 'Gather'],
  },
  'with two exchanged it stays': {
    shape: [2, 3],
    make: (b, x) => flat(b, x, b.int64([0, 1, 2, 3, 5, 4])),
    left: ['Reshape', 'Gather'],
  },
  'the same row again and again stays': {
    shape: [2, 3],
    make: (b, x) => flat(b, x, b.int64([0, 1, 2, 0, 1, 2], [2, 3])),
    left: ['Reshape', 'Gather'],
  },
  'from the second on it stays': {
    shape: [2, 3],
    make: (b, x) => b.op('GatherND', [x, b.int64([1, 0, 1, 1, 1, 2], [1, 3, 2])]),
    left: ['GatherND'],
  },
  'not all of it stays': {
    shape: [2, 3],
    make: (b, x) => flat(b, x, b.int64([0, 1, 2, 3, 4])),
    left: ['Reshape', 'Gather'],
  },
  'columns first stays': {
    shape: [3, 3],
    make: (b, x) => {
      const { rows, columns } = places(b, x);
      return stacked(b, x, columns, rows);
    },
    left: ['GatherND'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});
