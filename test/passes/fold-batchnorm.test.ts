/** Batch normalization in the weights before it: the numbers stay. */
import { describe, expect, it } from 'vitest';
import { type AttributeLike, float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, randomNumbers, randomWeight } from '../support/run-model.ts';
import { countOps, difference, runPasses } from './run-pass.ts';

function normalize(
  b: GraphBuilder,
  x: Value,
  channels: number,
  attributes: Record<string, AttributeLike> = {},
): Value {
  const [scale, shift, mean] = ['scale', 'shift', 'mean'].map((name, seed) =>
    b.weight(`bn.${name}`, randomWeight(`bn.${name}`, [channels], 20 + seed, 1)),
  ) as [Value, Value, Value];
  const positive = Float32Array.from(randomNumbers(channels, 30), (value) => value * value + 0.1);
  const variance = b.weight(
    'bn.variance',
    inlineTensor('float32', [channels], new Uint8Array(positive.buffer)),
  );
  return b.op('BatchNormalization', [x, scale, shift, mean, variance], { attributes });
}

const weight = (b: GraphBuilder, name: string, ...shape: number[]): Value =>
  b.weight(name, randomWeight(name, shape, name.length + shape.length));

interface Case {
  readonly input: readonly number[];
  readonly make: (b: GraphBuilder, x: Value) => Value;
}

const folded: Readonly<Record<string, Case>> = {
  'Conv with a bias': {
    input: [2, 3, 6, 6],
    make: (b, x) => normalize(b, b.op('Conv', [x, weight(b, 'w', 4, 3, 3, 3), weight(b, 'bias', 4)]), 4),
  },
  'Conv without one, in groups, another epsilon': {
    input: [2, 4, 6, 6],
    make: (b, x) => {
      const conv = b.op('Conv', [x, weight(b, 'w', 6, 2, 3, 3)], {
        attributes: { group: 2, pads: [1, 1, 1, 1] },
      });
      return normalize(b, conv, 6, { epsilon: float(0.1) });
    },
  },
  'Conv in one dimension': {
    input: [2, 3, 6],
    make: (b, x) => normalize(b, b.op('Conv', [x, weight(b, 'w', 4, 3, 3)]), 4),
  },
  'MatMul and Add of two axes': {
    input: [5, 3],
    make: (b, x) =>
      normalize(b, b.op('Add', [weight(b, 'bias', 4), b.op('MatMul', [x, weight(b, 'w', 3, 4)])]), 4),
  },
  'MatMul alone': {
    input: [5, 3],
    make: (b, x) => normalize(b, b.op('MatMul', [x, weight(b, 'w', 3, 4)]), 4),
  },
  'Gemm with factors': {
    input: [5, 3],
    make: (b, x) => {
      const attributes = { transB: 1, alpha: float(0.5), beta: float(3) };
      return normalize(b, b.op('Gemm', [x, weight(b, 'w', 4, 3), weight(b, 'bias', 4)], { attributes }), 4);
    },
  },
};

const kept: Readonly<Record<string, Case>> = {
  'what else reads the product': {
    input: [2, 3, 6, 6],
    make: (b, x) => {
      const conv = b.op('Conv', [x, weight(b, 'w', 4, 3, 3, 3)]);
      return b.op('Add', [normalize(b, conv, 4), conv]);
    },
  },
  'channels that are not the last of three axes': {
    input: [2, 4, 3],
    make: (b, x) => normalize(b, b.op('MatMul', [x, weight(b, 'w', 3, 4)]), 4),
  },
  'no weights before it': { input: [2, 4, 3], make: (b, x) => normalize(b, b.op('Relu', [x]), 4) },
  'an activation between': {
    input: [2, 3, 6, 6],
    make: (b, x) => normalize(b, b.op('Relu', [b.op('Conv', [x, weight(b, 'w', 4, 3, 3, 3)])]), 4),
  },
};

const build = ({ input, make }: Case): Model =>
  buildModel((b) => b.output('y', make(b, b.input('x', tensorType('float32', input)))));

describe('goes into the weights of', () => {
  it.each(Object.entries(folded))('%s', async (_, example) => {
    const model = build(example);
    const { record } = await runPasses(model, 'fold-batchnorm');
    expect(record.stats).toEqual({ batchNorms: 1 });
    expect(countOps(model, 'BatchNormalization')).toBe(0);
    expect(model.graph.value('w')).toBeUndefined();
    expect(await difference(model, build(example), { x: randomInput(example.input, 1) })).toBeLessThan(1e-5);
    expect((await runPasses(model, 'fold-batchnorm')).record.changed).toBe(false);
  });

  it('leaves the operator before it, with other weights', async () => {
    const model = build(folded['Conv with a bias'] as Case);
    await runPasses(model, 'fold-batchnorm');
    await expect(printModel(model)).toMatchFileSnapshot('golden/fold-batchnorm.txt');
  });
});

describe('stays with', () => {
  it.each(Object.entries(kept))('%s', async (_, example) => {
    const model = build(example);
    expect((await runPasses(model, 'fold-batchnorm')).record.changed).toBe(false);
    expect(countOps(model, 'BatchNormalization')).toBe(1);
  });
});

it('two that share a weight each have their own', async () => {
  const make = (): Model =>
    buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, 3, 6, 6]));
      const shared = weight(b, 'w', 4, 3, 3, 3);
      b.output('y', normalize(b, b.op('Conv', [x, shared]), 4));
      b.output('z', b.op('Conv', [x, shared]));
    });
  const model = make();
  expect((await runPasses(model, 'fold-batchnorm')).record.stats.batchNorms).toBe(1);
  expect(await difference(model, make(), { x: randomInput([2, 3, 6, 6], 1) })).toBeLessThan(1e-5);
});
