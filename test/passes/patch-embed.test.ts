/** Convolutions over patches as products: the numbers stay. */
import { describe, expect, it } from 'vitest';
import type { AttributeLike } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { type Dim, tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { buildModel, randomInput, randomWeight } from '../support/run-model.ts';
import { countOps, difference, runPasses } from './run-pass.ts';

const weight = (b: GraphBuilder, name: string, ...shape: number[]): Value =>
  b.weight(name, randomWeight(name, shape, name.length + shape.length));

function convolve(
  dims: readonly Dim[],
  kernel: readonly number[],
  attributes: Record<string, AttributeLike>,
  then: (b: GraphBuilder, y: Value) => Value = (_, y) => y,
  biased = true,
): () => Model {
  return () =>
    buildModel((b) => {
      const x = b.input('x', tensorType('float32', dims));
      const parts = [x, weight(b, 'w', 5, ...kernel), ...(biased ? [weight(b, 'bias', 5)] : [])];
      b.output('y', then(b, b.op('Conv', parts, { attributes })));
    });
}

describe('a patch per row', () => {
  it.each([
    ['two axes', [3, 4, 6], { strides: [4, 6] }, true],
    ['three axes, no bias', [3, 2, 4, 4], { strides: [2, 4, 4] }, false],
    ['no strides: there is one patch', [3, 4, 6], {}, true],
  ] as const)('%s', async (name, kernel, attributes, biased) => {
    const make = convolve(
      ['rows', ...kernel],
      kernel,
      attributes,
      (b, y) => b.op('Reshape', [y, b.int64([-1, 5])]),
      biased,
    );
    const model = make();
    expect((await runPasses(model, 'patch-embed')).record.stats).toEqual({ 'patch-rows': 1 });
    const ops = [...model.graph.nodes()].map(({ op }) => op);
    expect(ops).toEqual(['Reshape', 'MatMul', ...(biased ? ['Add'] : [])]);
    expect(await difference(model, make(), { x: randomInput([7, ...kernel], 1) })).toBeLessThan(1e-5);
    if (name === 'two axes') {
      await expect(printModel(model)).toMatchFileSnapshot('golden/patch-embed-rows.txt');
    }
  });
});

describe('a grid of patches', () => {
  const tokens = (b: GraphBuilder, y: Value): Value => {
    const flat = b.op('Reshape', [y, b.int64([0, 5, 6])]);
    return b.op('Transpose', [flat], { attributes: { perm: [0, 2, 1] } });
  };

  it('is left to Conv where nobody asks', async () => {
    const model = convolve(['batch', 3, 8, 18], [3, 4, 6], { strides: [4, 6] })();
    expect((await runPasses(model, 'patch-embed')).record.changed).toBe(false);
  });

  it.each([
    ['as tokens', tokens, ['Reshape', 'Transpose', 'Reshape', 'MatMul', 'Add']],
    ['as a picture', undefined, ['Reshape', 'Transpose', 'Reshape', 'MatMul', 'Add', 'Transpose', 'Reshape']],
  ] as const)('%s', async (name, then, ops) => {
    const make = convolve(['batch', 3, 8, 18], [3, 4, 6], { strides: [4, 6] }, then);
    const model = make();
    expect((await runPasses(model, 'patch-embed{grids=true}')).record.stats).toEqual({ 'patch-grids': 1 });
    expect([...model.graph.nodes()].map(({ op }) => op)).toEqual(ops);
    expect(await difference(model, make(), { x: randomInput([2, 3, 8, 18], 1) })).toBeLessThan(1e-5);
    if (name === 'as a picture') {
      await expect(printModel(model)).toMatchFileSnapshot('golden/patch-embed-grid.txt');
    }
  });
});

describe('what stays a convolution', () => {
  it.each([
    ['patches that overlap', ['batch', 3, 8, 18], [3, 4, 6], { strides: [2, 6] }],
    ['padding', ['batch', 3, 4, 4], [3, 4, 4], { strides: [4, 4], pads: [1, 1, 1, 1] }],
    ['automatic padding', ['batch', 3, 4, 4], [3, 4, 4], { strides: [4, 4], auto_pad: 'SAME_UPPER' }],
    ['dilation', ['batch', 3, 8, 8], [3, 4, 4], { strides: [4, 4], dilations: [2, 2] }],
    ['groups', ['batch', 10, 4, 4], [2, 4, 4], { strides: [4, 4], group: 5 }],
    ['a size that is not known', ['batch', 3, 'height', 8], [3, 4, 4], { strides: [4, 4] }],
    ['patches that leave a border', ['batch', 3, 9, 8], [3, 4, 4], { strides: [4, 4] }],
  ] as const)('%s', async (_, dims, kernel, attributes) => {
    const model = convolve(dims, kernel, attributes)();
    expect((await runPasses(model, 'patch-embed{grids=true}')).record.changed).toBe(false);
    expect(countOps(model, 'Conv')).toBe(1);
  });
});
