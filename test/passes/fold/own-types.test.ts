/**
 * Files that declare less than their operators make: what such operators make is neither computed nor held in memory.
 * Each would take a gigabyte and more.
 */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { verifyAndInfer } from '../../../src/graph/verify.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { buildModel } from '../../support/run-model.ts';
import { runPasses } from '../run-pass.ts';

type Hide = (value: Value) => Value;
type Make = (b: GraphBuilder, hide: Hide) => Value;

const large = 2 ** 28;

const cases: readonly (readonly [op: string, make: Make])[] = [
  [
    'Range',
    (b, hide) =>
      b.op(
        'Range',
        [0, large, 1].map((end) => hide(b.int64([end], []))),
      ),
  ],
  [
    'Range',
    (b, hide) =>
      b.op('Range', [
        b.scalar(0),
        b.op('Cast', [hide(b.int64([large], []))], { attributes: { to: 1 } }),
        b.scalar(1),
      ]),
  ],
  ['ConstantOfShape', (b, hide) => b.op('ConstantOfShape', [hide(b.int64([large]))])],
  ['Expand', (b, hide) => b.op('Expand', [b.float32([1, 2], [2, 1]), hide(b.int64([2, large]))])],
  ['Tile', (b, hide) => b.op('Tile', [b.float32([1]), hide(b.int64([large]))])],
  ['Pad', (b, hide) => b.op('Pad', [b.float32([1]), hide(b.int64([0, large]))])],
  ['OneHot', (b, hide) => b.op('OneHot', [b.int64([1]), hide(b.int64([large], [])), b.float32([0, 1])])],
  [
    'Resize',
    (b, hide) => b.op('Resize', [b.float32([1, 2], [1, 1, 2]), null, null, hide(b.int64([1, 1, large]))]),
  ],
  [
    'Resize',
    (b, hide) => {
      const scales = b.op('Cast', [hide(b.int64([1, 1, large / 2]))], { attributes: { to: 1 } });
      return b.op('Resize', [b.float32([1, 2], [1, 1, 2]), null, scales]);
    },
  ],
  [
    'Mul',
    (b, hide) => {
      // 2^14 places each, of which nothing is known before they are counted.
      const many = b.weight('ones', inlineTensor('uint8', [2 ** 14], new Uint8Array(2 ** 14).fill(1)));
      const places = b.op('NonZero', [b.op('Cast', [many], { attributes: { to: 9 } })]);
      const column = hide(b.op('Reshape', [places, b.int64([-1, 1])]));
      return b.op('Mul', [column, hide(b.op('Reshape', [places, b.int64([1, -1])]))]);
    },
  ],
];

/** A sum that inference of integers does not follow. */
function hidden(b: GraphBuilder, value: Value): Value {
  const wide = b.op('Cast', [value], { attributes: { to: 11 } });
  const nothing = b.weight('nothing', inlineTensor('float64', [], new Uint8Array(8)));
  return b.op('Cast', [b.op('Add', [wide, nothing])], { attributes: { to: 7 } });
}

/** The operator's result declared as four elements at most, and summed up with the input. */
function lying(op: string, make: Make, hides: boolean): Model {
  const model = buildModel((b) => {
    const x = b.input('x', tensorType('float32', [1]));
    const made = make(b, (value) => (hides ? hidden(b, value) : value));
    const largest = b.op('ReduceMax', [made], { attributes: { keepdims: 0 } });
    b.output('y', b.op('Add', [x, b.op('Cast', [largest], { attributes: { to: 1 } })]));
  });
  for (const node of model.graph.nodes()) {
    const [value] = node.outputs;
    if (node.op !== op || value?.type?.kind !== 'tensor') continue;
    const rank = value.type.shape?.length ?? 1;
    model.graph.setType(
      value,
      tensorType(
        value.type.dtype,
        Array.from({ length: rank }, () => 2),
      ),
    );
  }
  return model;
}

describe.each([false, true])('sizes that take computing: %s', (hides) => {
  // Of a shape that has to be computed, Expand takes what is declared, and makes no more than that.
  it.each(cases.filter(([op]) => !(hides && op === 'Expand')))('%s', async (op, make) => {
    const model = lying(op, make, hides);
    verifyAndInfer(model);
    const before = process.resourceUsage().maxRSS;
    await runPasses(model, 'fold');
    expect([...model.graph.nodes()].map((node) => node.op)).toContain(op);
    expect((process.resourceUsage().maxRSS - before) * 1024).toBeLessThan(2 ** 28);
  });
});
