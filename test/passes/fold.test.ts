/** Folds: what goes, what stays, and that the numbers stay. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { buildModel, randomInput, randomWeight } from '../support/run-model.ts';
import { difference, runPasses } from './run-pass.ts';

type Make = (b: GraphBuilder, x: Value) => Value;
const build = (make: Make): Model =>
  buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', ['n', 4, 6])))));
const feeds = { x: randomInput([3, 4, 6], 1) };
const transpose = (b: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  b.op('Transpose', [x], { attributes: { perm } });
const weight = (b: GraphBuilder): Value => b.weight('w', randomWeight('w', [6, 6], 2));

/** [what, graph, operators that are left] */
const cases: readonly (readonly [string, Make, readonly string[]])[] = [
  ['Identity', (b, x) => b.op('Neg', [b.op('Identity', [x])]), ['Neg']],
  ['Cast to the same type', (b, x) => b.op('Neg', [b.op('Cast', [x], { attributes: { to: 1 } })]), ['Neg']],
  ['times one', (b, x) => b.op('Neg', [b.op('Div', [b.op('Mul', [b.scalar(1), x]), b.scalar(1)])]), ['Neg']],
  ['one by x stays', (b, x) => b.op('Neg', [b.op('Div', [b.scalar(1), x])]), ['Div', 'Neg']],
  [
    'times one that broadcasts stays',
    (b, x) => b.op('Neg', [b.op('Mul', [x, b.float32([1], [1, 1, 1, 1])])]),
    ['Mul', 'Neg'],
  ],
  ['Transpose of nothing', (b, x) => b.op('Neg', [transpose(b, x, [0, 1, 2])]), ['Neg']],
  [
    'Transpose and back',
    (b, x) => b.op('Neg', [transpose(b, transpose(b, x, [1, 2, 0]), [2, 0, 1])]),
    ['Neg'],
  ],
  [
    'Transpose twice is one',
    (b, x) => b.op('Neg', [transpose(b, transpose(b, x, [1, 2, 0]), [1, 0, 2])]),
    ['Transpose', 'Neg'],
  ],
  [
    'the transposed operand of a product stays',
    (b, x) => b.op('Neg', [transpose(b, transpose(b, x, [1, 2, 0]), [0, 2, 1])]),
    ['Transpose', 'Transpose', 'Neg'],
  ],
  [
    'split and joined heads',
    (b, x) =>
      b.op('Neg', [b.op('Reshape', [b.op('Reshape', [x, b.int64([0, 0, 2, 3])]), b.int64([0, 0, 6])])]),
    ['Neg'],
  ],
  [
    'Reshape to another shape stays',
    (b, x) => b.op('Neg', [b.op('Reshape', [x, b.int64([0, 6, 4])])]),
    ['Reshape', 'Neg'],
  ],
  ['Transpose of a weight', (b, x) => b.op('MatMul', [x, transpose(b, weight(b), [1, 0])]), ['MatMul']],
  [
    'Reshape of a weight',
    (b, x) =>
      b.op('MatMul', [x, b.op('Squeeze', [b.op('Reshape', [weight(b), b.int64([1, 6, 6])]), b.int64([0])])]),
    ['MatMul'],
  ],
  [
    'Shape of what is static, and what is computed of it',
    (b, x) =>
      b.op('Add', [
        x,
        b.op('Cast', [b.op('Shape', [weight(b)], { attributes: { start: 1 } })], { attributes: { to: 1 } }),
      ]),
    ['Add'],
  ],
];

describe('fold', () => {
  it.each(cases)('%s', async (_, make, left) => {
    const model = build(make);
    await runPasses(model, 'fold');
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(left);
    expect(await difference(model, build(make), feeds)).toBe(0);
  });

  it('keeps an output that is the input', async () => {
    const make: Make = (b, x) => b.op('Identity', [b.op('Identity', [x])]);
    const model = build(make);
    await runPasses(model, 'fold');
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Identity']);
    expect(await difference(model, build(make), feeds)).toBe(0);
  });

  it('gives what exporters write one form', async () => {
    const model = build((b, x) => {
      const linear = (name: string, value: Value): Value => {
        const w = b.weight(`${name}.weight`, randomWeight(`${name}.weight`, [6, 6], 3));
        const bias = b.weight(`${name}.bias`, randomWeight(`${name}.bias`, [6], 4));
        const rows = b.op('Reshape', [value, b.int64([-1, 6])]);
        const made = b.op('Gemm', [rows, w, bias], { attributes: { transB: 1 } });
        return b.op('Reshape', [made, b.op('Shape', [value])]);
      };
      const heads = (value: Value): Value => {
        const size = b.op('Gather', [b.op('Shape', [value]), b.int64([0], [])], { attributes: { axis: 0 } });
        const parts = [b.op('Unsqueeze', [size, b.int64([0])]), b.int64([4]), b.int64([2]), b.int64([3])];
        const shape = b.op('Concat', parts, { attributes: { axis: 0 } });
        return transpose(b, b.op('Reshape', [value, shape]), [0, 2, 1, 3]);
      };
      const [q, k] = [heads(linear('q', b.op('Dropout', [x]))), heads(linear('k', x))];
      const scale = b.op('Div', [b.scalar(1), b.op('Sqrt', [b.scalar(3)])]);
      return b.op('MatMul', [b.op('Mul', [q, scale]), transpose(b, k, [0, 1, 3, 2])]);
    });
    await runPasses(model, 'fold');
    await expect(printModel(model)).toMatchFileSnapshot('golden/fold-exported.txt');
  });

  it('prints as expected', async () => {
    const model = build((b, x) =>
      b.scope('layer', () => b.op('MatMul', [b.op('Identity', [x]), transpose(b, weight(b), [1, 0])])),
    );
    await runPasses(model, 'fold');
    await expect(printModel(model)).toMatchFileSnapshot('golden/fold.txt');
  });
});
