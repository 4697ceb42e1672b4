import { expect, it } from 'vitest';
import { tensorType } from '../../../src/graph/types.ts';
import { codeOfDType, type DType } from '../../../src/tensor/dtype.ts';
import { buildModel, randomWeight } from '../../support/run-model.ts';
import { runPasses } from '../run-pass.ts';
import { bools, type Example, folded, type Make } from './folded.ts';

const cast = (to: DType) => ({ attributes: { to: codeOfDType(to) } });
const example = (make: Make, left: readonly string[], shape?: Example['shape']): Example => ({
  make,
  left,
  ...(shape === undefined ? {} : { shape }),
});

const cases: Readonly<Record<string, Example>> = {
  'plus zero': example((b, x) => b.op('Neg', [b.op('Add', [b.scalar(0), x])]), ['Neg']),
  'minus zero': example((b, x) => b.op('Neg', [b.op('Sub', [x, b.scalar(0)])]), ['Neg']),
  'zero minus x stays': example((b, x) => b.op('Exp', [b.op('Sub', [b.scalar(0), x])]), ['Sub', 'Exp']),
  'to the power of one': example((b, x) => b.op('Neg', [b.op('Pow', [x, b.scalar(1)])]), ['Neg']),
  'zeros that broadcast stay': example(
    (b, x) => b.op('Exp', [b.op('Add', [x, b.float32([0, 0], [2, 1, 1, 1])])]),
    ['Add', 'Exp'],
  ),
  'Neg of Neg': example((b, x) => b.op('Exp', [b.op('Neg', [b.op('Neg', [x])])]), ['Exp']),
  'Not of Not': example(
    (b, x) => {
      const truth = b.op('Not', [b.op('Not', [b.op('Greater', [x, b.scalar(0)])])]);
      return b.op('Where', [truth, x, b.scalar(2)]);
    },
    ['Greater', 'Where'],
  ),
  'And with true, Or with false': example(
    (b, x) => {
      const truth = b.op('And', [b.op('Greater', [x, b.scalar(0)]), bools(b, [1], [])]);
      return b.op('Where', [b.op('Or', [bools(b, [0]), truth]), x, b.scalar(2)]);
    },
    ['Greater', 'Where'],
  ),
  'And with false and true stays': example(
    (b, x) => {
      const truth = b.op('And', [b.op('Greater', [x, b.scalar(0)]), bools(b, [1, 0, 1, 1, 1, 1])]);
      return b.op('Where', [truth, x, b.scalar(2)]);
    },
    ['Greater', 'And', 'Where'],
  ),
  'Where of true': example(
    (b, x) => b.op('Neg', [b.op('Where', [bools(b, [1], [1, 1]), x, b.scalar(3)])]),
    ['Neg'],
  ),
  'Where of true that broadcasts stays': example(
    (b, x) => b.op('Exp', [b.op('Where', [bools(b, [1, 1], [2, 1, 1, 1]), x, b.scalar(3)])]),
    ['Where', 'Exp'],
  ),
  'Concat of one and of nothing': example(
    (b, x) => {
      const nothing = b.op('Slice', [x, b.int64([0]), b.int64([0]), b.int64([1])]);
      return b.op('Neg', [b.op('Concat', [nothing, x], { attributes: { axis: 1 } })]);
    },
    ['Neg'],
  ),
  'Split and Concat': example(
    (b, x) => {
      const parts = b.ops('Split', [x, b.int64([1, 3])], 2, { attributes: { axis: 1 } });
      return b.op('Neg', [b.op('Concat', parts, { attributes: { axis: -2 } })]);
    },
    ['Neg'],
  ),
  'Split and Concat in another order stay': example(
    (b, x) => {
      const parts = b.ops('Split', [x, b.int64([2, 2])], 2, { attributes: { axis: 1 } });
      return b.op('Exp', [b.op('Concat', parts.toReversed(), { attributes: { axis: 1 } })]);
    },
    ['Split', 'Concat', 'Exp'],
  ),
  'Slice of everything': example(
    (b, x) => b.op('Neg', [b.op('Slice', [x, b.int64([0, 0]), b.int64([2 ** 31 - 1, 6]), b.int64([0, 2])])]),
    ['Neg'],
  ),
  'Slice backwards stays': example(
    (b, x) => b.op('Exp', [b.op('Slice', [x, b.int64([-1]), b.int64([-100]), b.int64([1]), b.int64([-1])])]),
    ['Slice', 'Exp'],
  ),
  'Expand to the same, Tile by one, Pad by nothing': example(
    (b, x) => {
      const same = b.op('Tile', [b.op('Expand', [x, b.int64([4, 1])]), b.int64([1, 1, 1])]);
      return b.op('Neg', [b.op('Pad', [same, b.int64([0, 0, 0, 0, 0, 0])])]);
    },
    ['Neg'],
  ),
  'Pad that keeps the size but not the place stays': example(
    (b, x) => b.op('Exp', [b.op('Pad', [x, b.int64([0, 1, 0, 0, -1, 0])])]),
    ['Pad', 'Exp'],
  ),
  'Resize to the same': example(
    (b, x) =>
      b.op('Neg', [
        b.op('Resize', [x, null, null, b.int64([2, 3, 5, 7])], { attributes: { mode: 'cubic' } }),
      ]),
    ['Neg'],
    [2, 3, 5, 7],
  ),
  'Cast there and back': example(
    (b, x) => b.op('Neg', [b.op('Cast', [b.op('Cast', [x], cast('float64'))], cast('float32'))]),
    ['Neg'],
  ),
  'Cast that rounds stays': example(
    (b, x) => b.op('Neg', [b.op('Cast', [b.op('Cast', [x], cast('float16'))], cast('float32'))]),
    ['Cast', 'Cast', 'Neg'],
  ),
  'Cast of an integer that float32 cannot hold stays': example(
    (b, x) => {
      const big = b.op('Cast', [b.op('Mul', [x, b.scalar(1e9)])], cast('int32'));
      return b.op('Cast', [b.op('Cast', [big], cast('float32'))], cast('int32'));
    },
    ['Mul', 'Cast', 'Cast', 'Cast'],
  ),
  CastLike: example(
    (b, x) => b.op('Exp', [b.op('CastLike', [b.op('Neg', [x]), b.scalar(1)])]),
    ['Neg', 'Exp'],
  ),
  'Dropout outside training': example((b, x) => b.op('Neg', [b.op('Dropout', [x, b.scalar(0.5)])]), ['Neg']),
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});

it('keeps a Dropout that trains', async () => {
  const model = buildModel((b) => {
    const x = b.input('x', tensorType('float32', [4]));
    b.output('y', b.op('Exp', [b.op('Dropout', [x, b.scalar(0.5), bools(b, [1], [])])]));
  });
  await runPasses(model, 'fold');
  expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Dropout', 'Exp']);
});

it('knows no weight by its numbers', async () => {
  await folded({ make: (b, x) => b.op('Mul', [x, b.weight('w', randomWeight('w', [6], 1))]), left: ['Mul'] });
});
