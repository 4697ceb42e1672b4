/** Residual sums with the norm over them, for a target that gains by one operator. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import type { Model } from '../../../src/graph/model.ts';
import { printModel } from '../../../src/graph/print.ts';
import { type Dim, tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { buildModel, randomInput } from '../../support/run-model.ts';
import { difference, runPasses } from '../run-pass.ts';
import { add, vector } from './spelled.ts';

const skipLayer = 'com.microsoft::SkipLayerNormalization';
const skipSimplified = 'com.microsoft::SkipSimplifiedLayerNormalization';

type Block = (b: GraphBuilder, x: Value, y: Value) => void;

const modelOf = (block: Block, shape: readonly Dim[] = ['batch', 'rows', 8], other = shape): Model =>
  buildModel((b) =>
    block(b, b.input('x', tensorType('float32', shape)), b.input('y', tensorType('float32', other))),
  );

async function fuse(
  block: Block,
  pass = 'fuse-skip-norm{target=webgpu}',
  shape: readonly Dim[] = ['batch', 'rows', 8],
  other = shape,
) {
  const model = modelOf(block, shape, other);
  const { record } = await runPasses(model, pass);
  const sizes = (dims: readonly Dim[]) =>
    dims.map((dim) => (dim === 'batch' ? 2 : dim === 'rows' ? 5 : Number(dim)));
  const feeds = { x: randomInput(sizes(shape), 1), y: randomInput(sizes(other), 2) };
  return {
    model,
    record,
    ops: [...model.graph.nodes()].map((node) => node.op),
    error: await difference(model, modelOf(block, shape, other), feeds),
  };
}

const layerNorm = (b: GraphBuilder, x: Value): Value =>
  b.op('LayerNormalization', [x, vector(b, 1), vector(b, 2)], { attributes: { axis: -1 } });
const rmsNorm = (b: GraphBuilder, x: Value): Value =>
  b.op('SimplifiedLayerNormalization', [x, vector(b, 1)], { attributes: { axis: -1 } });

describe('a sum and its norm', () => {
  it('become one operator that gives both', async () => {
    const { ops, model, error } = await fuse((b, x, y) => {
      const sum = add(b, x, y);
      // Read before the norm stands.
      const early = b.op('Exp', [sum]);
      b.output('norm', layerNorm(b, sum));
      b.output('sum', add(b, early, sum));
    });
    expect(ops).toEqual([skipLayer, 'Exp', 'Add']);
    expect(error).toBeLessThan(2e-6);
    await expect(printModel(model)).toMatchFileSnapshot('../golden/fuse-skip-norm.txt');
  });

  it('give no sum that nobody reads, and keep one that is an output', async () => {
    const alone = await fuse((b, x, y) => b.output('norm', rmsNorm(b, add(b, x, y))));
    expect(alone.ops).toEqual([skipSimplified]);
    expect([...alone.model.graph.nodes()][0]?.outputs).toHaveLength(1);
    expect(alone.error).toBeLessThan(2e-6);
    const both = await fuse((b, x, y) => {
      const sum = add(b, x, y);
      b.output('norm', rmsNorm(b, sum));
      b.output('sum', sum);
    });
    expect(both.ops).toEqual([skipSimplified]);
    expect(both.model.graph.outputs.map(({ name }) => name)).toEqual(['norm', 'sum']);
    expect(both.error).toBeLessThan(2e-6);
  });

  it.each<[string, Block, string]>([
    [
      'of the first summand',
      (b, x, y) => b.output('n', layerNorm(b, add(b, add(b, x, vector(b, 5)), y))),
      skipLayer,
    ],
    [
      'of the second summand',
      (b, x, y) => b.output('n', layerNorm(b, add(b, x, add(b, vector(b, 5), y)))),
      skipLayer,
    ],
    [
      'without a mean',
      (b, x, y) => b.output('n', rmsNorm(b, add(b, x, add(b, vector(b, 5), y)))),
      skipSimplified,
    ],
  ])('take in the bias %s', async (_, block, operator) => {
    const { ops, error } = await fuse(block);
    expect(ops).toEqual([operator]);
    expect(error).toBeLessThan(2e-6);
  });

  it('leave a bias that others read', async () => {
    const { ops, model, error } = await fuse((b, x, y) => {
      const biased = add(b, x, vector(b, 5));
      b.output('biased', b.op('Exp', [biased]));
      b.output('n', layerNorm(b, add(b, biased, y)));
    });
    expect(ops).toContain('Add');
    expect([...model.graph.nodes()].find((node) => node.op === skipLayer)?.inputs).toHaveLength(4);
    expect(error).toBeLessThan(2e-6);
  });
});

describe('a sum stays apart', () => {
  const plain: Block = (b, x, y) => b.output('n', layerNorm(b, add(b, x, y)));

  it('where the operator is slower', async () => {
    const { ops, record } = await fuse(plain, 'fuse-skip-norm');
    expect(ops).toEqual(['Add', 'LayerNormalization']);
    expect(record.notes.join()).toMatch(/on cpu: 2\.4 to 4\.2 times as long/);
  });

  it.each<[string, Block, readonly Dim[], readonly Dim[], RegExp]>([
    ['one batch for all', plain, ['batch', 'rows', 8], [1, 'rows', 8], /y is float32\[1,rows,8\], the sum/],
    ['four axes', plain, ['batch', 'rows', 3, 8], ['batch', 'rows', 3, 8], /rows,3,8\]$/],
    ['rows that may differ', plain, ['batch', 5, 8], ['batch', 'rows', 8], /y is float32/],
    [
      'a norm over two axes',
      (b, x, y) => {
        const attributes = { axis: -2 };
        b.output('n', b.op('LayerNormalization', [add(b, x, y), vector(b, 1, [5, 8])], { attributes }));
      },
      ['batch', 5, 8],
      ['batch', 5, 8],
      /is over several axes/,
    ],
  ])('where the operator would compute something else: %s', async (_, block, shape, other, reason) => {
    const { ops, record, error } = await fuse(block, undefined, shape, other);
    expect(ops).toEqual(['Add', 'LayerNormalization']);
    expect(record.notes.join()).toMatch(reason);
    expect(error).toBe(0);
  });
});
