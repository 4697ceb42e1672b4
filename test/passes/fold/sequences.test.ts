import { it } from 'vitest';
import { type Example, folded, int64Scalar } from './folded.ts';

const axis = (axis: number) => ({ attributes: { axis } });
const cases: Readonly<Record<string, Example>> = {
  'sizes one by one': {
    make: (b, x) => {
      const parts = b.op('SplitToSequence', [x, b.int64([1, 2, 3])], axis(2));
      return [2, 0].map((index) => b.op('SequenceAt', [parts, int64Scalar(b, index)]));
    },
    left: ['Split'],
  },
  'one size, the last part smaller': {
    make: (b, x) => {
      const parts = b.op('SplitToSequence', [x, int64Scalar(b, 4)], axis(-1));
      return b.op('Neg', [b.op('SequenceAt', [parts, int64Scalar(b, -1)])]);
    },
    left: ['Split', 'Neg'],
  },
  'slices that lose their axis': {
    make: (b, x) => {
      const parts = b.op('SplitToSequence', [x], { attributes: { axis: 1, keepdims: 0 } });
      return b.op('Neg', [b.op('SequenceAt', [parts, int64Scalar(b, 1)])]);
    },
    left: ['Split', 'Squeeze', 'Neg'],
  },
  'how many there are is not known': {
    make: (b, x) => {
      const parts = b.op('SplitToSequence', [x, int64Scalar(b, 1)], axis(0));
      return b.op('SequenceAt', [parts, int64Scalar(b, 0)]);
    },
    left: ['SplitToSequence', 'SequenceAt'],
  },
  'put together and taken apart': {
    make: (b, x) => {
      const both = b.op('SequenceConstruct', [x, b.op('Neg', [x])]);
      return b.op('Exp', [b.op('SequenceAt', [both, int64Scalar(b, -1)])]);
    },
    left: ['Neg', 'Exp'],
  },
  'put together and joined': {
    make: (b, x) => b.op('ConcatFromSequence', [b.op('SequenceConstruct', [x, b.op('Neg', [x])])], axis(1)),
    left: ['Neg', 'Concat'],
  },
  'put together and stacked': {
    make: (b, x) => {
      const both = b.op('SequenceConstruct', [x, b.op('Neg', [x])]);
      return b.op('ConcatFromSequence', [both], { attributes: { axis: 1, new_axis: 1 } });
    },
    left: ['Neg', 'Unsqueeze', 'Unsqueeze', 'Concat'],
  },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});
