/** Products that share an input, as one: the numbers stay, and so do weights that others read. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { transpose2d } from '../../src/tensor/derived/transpose.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, randomWeight } from '../support/run-model.ts';
import { countOps, difference, runPasses } from './run-pass.ts';

const width = 32;
const feeds = { x: randomInput([2, 3, width], 1) };

/** [N, K] in a checkpoint, [K, N] in the graph. */
const stored = (name: string, outputs: number, seed: number): Tensor =>
  transpose2d(randomWeight(name, [outputs, width], seed));

function linear(b: GraphBuilder, x: Value, name: string, outputs: number, biased = true): Value {
  const product = b.op('MatMul', [x, b.weight(name, stored(name, outputs, outputs + name.length))]);
  if (!biased) return product;
  return b.op('Add', [b.weight(`${name}.bias`, randomWeight(`${name}.bias`, [outputs], outputs)), product]);
}

const model = (body: (b: GraphBuilder, x: Value) => readonly Value[]): Model =>
  buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['batch', 'slots', width]));
    for (const [index, value] of body(b, x).entries()) b.output(`y${index}`, b.op('Tanh', [value]));
  });

const sizes = { q: 32, key: 16, val: 16 };

describe('projections of one input', () => {
  it.each([
    ['all with a bias', [true, true, true]],
    ['one without a bias', [true, false, true]],
    ['none with a bias', [false, false, false]],
  ] as const)('%s', async (name, biased) => {
    const make = (): Model =>
      model((b, x) => Object.entries(sizes).map(([name, n], at) => linear(b, x, name, n, biased[at])));
    const packed = make();
    const { record } = await runPasses(packed, 'pack-qkv');
    expect(record.stats).toEqual({ groups: 1, products: 3 });
    expect(countOps(packed, 'MatMul')).toBe(1);
    expect(countOps(packed, 'Add')).toBe(biased.some((own) => own) ? 1 : 0);
    expect(await difference(packed, make(), feeds)).toBeLessThan(1e-6);
    const [weight] = [...packed.graph.initializers()].filter(
      ({ initializer }) => initializer.shape.length === 2,
    );
    expect(weight?.initializer.shape).toEqual([width, 64]);
    expect((await runPasses(packed, 'pack-qkv')).record.changed).toBe(false);
    if (name === 'one without a bias') {
      await expect(printModel(packed)).toMatchFileSnapshot('golden/pack-qkv.txt');
    }
  });

  it('of each layer apart, and not those that come from another input', async () => {
    const make = (): Model =>
      model((b, x) => {
        const [q, k] = [linear(b, x, 'q', 32), linear(b, x, 'key', 32)];
        const sum = b.op('Add', [q, k]);
        return [linear(b, sum, 'gate', 48, false), linear(b, sum, 'up', 48, false), linear(b, q, 'only', 8)];
      });
    const packed = make();
    expect((await runPasses(packed, 'pack-qkv')).record.stats).toEqual({ groups: 2, products: 4 });
    expect(countOps(packed, 'MatMul')).toBe(3);
    expect(await difference(packed, make(), feeds)).toBeLessThan(1e-6);
  });

  it('in the form of the graph they came from, for quantizers', async () => {
    const make = (): Model => model((b, x) => [linear(b, x, 'q', 32, false), linear(b, x, 'key', 16, false)]);
    const [packed, apart] = [make(), make()];
    await runPasses(packed, 'pack-qkv,int4');
    await runPasses(apart, 'int4');
    expect(countOps(packed, 'com.microsoft::MatMulNBits')).toBe(1);
    expect(await difference(packed, apart, feeds)).toBeLessThan(1e-6);
    // Quantized first, packed afterwards: the same rows.
    const { record } = await runPasses(apart, 'pack-qkv');
    expect(record.stats).toEqual({ groups: 1, products: 2 });
    expect(await difference(packed, apart, feeds)).toBe(0);
  });
});

describe('what stays apart', () => {
  const untouched = async (body: (b: GraphBuilder, x: Value) => readonly Value[]): Promise<void> => {
    const found = model(body);
    expect((await runPasses(found, 'pack-qkv')).record.changed).toBe(false);
  };

  it('weights that something else reads', async () => {
    await untouched((b, x) => {
      const table = b.weight('table', stored('table', 16, 3));
      const tied = b.op('Transpose', [table], { attributes: { perm: [1, 0] } });
      return [linear(b, x, 'q', 32), b.op('MatMul', [x, table]), tied];
    });
  });

  it('few keys and values beside many queries', async () => {
    await untouched((b, x) => [linear(b, x, 'q', 64), linear(b, x, 'key', 16), linear(b, x, 'val', 16)]);
  });

  it('products of two inputs, and stacks of matrices', async () => {
    await untouched((b, x) => {
      const turned = b.op('Transpose', [x], { attributes: { perm: [0, 2, 1] } });
      const stack = b.weight('stack', randomWeight('stack', [2, width, 8], 3));
      return [b.op('MatMul', [x, turned]), b.op('MatMul', [x, stack]), linear(b, x, 'q', 32)];
    });
  });

  it('a sum that something else reads keeps its product, a bias of more rows its sum', async () => {
    const make = (): Model =>
      model((b, x) => {
        const product = b.op('MatMul', [x, b.weight('q', stored('q', 32, 1))]);
        const bias = b.weight('rows', randomWeight('rows', [3, 16], 2));
        const rows = b.op('Add', [b.op('MatMul', [x, b.weight('key', stored('key', 16, 1))]), bias]);
        return [product, b.op('Add', [product, b.weight('bias', randomWeight('bias', [32], 2))]), rows];
      });
    const packed = make();
    expect((await runPasses(packed, 'pack-qkv')).record.stats.products).toBe(2);
    expect([countOps(packed, 'MatMul'), countOps(packed, 'Add')]).toEqual([1, 2]);
    expect(await difference(packed, make(), feeds)).toBeLessThan(1e-6);
  });
});
