/** int4 and int8: against the plain graph with the values that the pass says the weights have. */
import { describe, expect, it } from 'vitest';
import { linear } from '../../src/architectures/blocks/linear.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import { int64Value } from '../../src/runtime/values.ts';
import { onnxruntimeCpu } from '../../src/targets/onnxruntime-cpu.ts';
import { targets } from '../../src/targets/registry.ts';
import type { Target } from '../../src/targets/target.ts';
import { buildModel, randomInput, randomWeight } from '../support/run-model.ts';
import { floatKernels } from './float-kernels.ts';
import { countOps, difference, type Feeds, runPasses, substitute } from './run-pass.ts';

const matMulNBits = 'com.microsoft::MatMulNBits';
const gatherBlockQuantized = 'com.microsoft::GatherBlockQuantized';

const weight = (name: string, shape: readonly number[], seed: number) => ({
  name,
  tensor: randomWeight(name, shape, seed),
});

function mlpModel(): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['batch', 'tokens', 64]));
    const up = b.scope('up', () =>
      linear(b, x, { weight: weight('up.weight', [72, 64], 1), bias: weight('up.bias', [72], 2) }),
    );
    // 72 columns: the last block of a row is cut off.
    b.output(
      'y',
      b.scope('down', () => linear(b, b.op('Tanh', [up]), { weight: weight('down.weight', [40, 72], 3) })),
    );
  });
}

function embedModel(depth: number): Model {
  return buildModel((b) => {
    const ids = b.input('ids', tensorType('int64', ['batch', 'tokens']));
    b.output('y', b.op('Gather', [b.weight('table', randomWeight('table', [30, depth], 4)), ids]));
  });
}

const x: Feeds = { x: randomInput([2, 9, 64], 5) };
const ids: Feeds = { ids: int64Value([2, 3], [0, 29, 4, 4, 17, 1]) };
const texts = ['', '{symmetric=true}', '{block=16}', '{block=64,symmetric=true}'];

describe.each(['int4', 'int8'])('%s', (name) => {
  it.each(texts)('%s of linear layers computes with the de-quantized weights', async (options) => {
    const model = mlpModel();
    const { record, substitutes } = await runPasses(model, name + options, { targets: [floatKernels] });
    expect(record.stats).toMatchObject({ matmul: 2, biases: 1 });
    expect(countOps(model, matMulNBits)).toBe(2);
    expect(countOps(model, 'MatMul') + countOps(model, 'Add')).toBe(0);
    const plain = mlpModel();
    substitute(plain, substitutes);
    expect(await difference(model, plain, x)).toBeLessThan(1e-5);
    // It is the weights that changed, and not by much.
    const error = await difference(plain, mlpModel(), x);
    expect(error).toBeGreaterThan(name === 'int4' ? 1e-2 : 1e-3);
    expect(error).toBeLessThan(name === 'int4' ? 0.6 : 0.05);
  });

  it.each(texts)('%s of a table gives its de-quantized rows', async (options) => {
    const model = embedModel(128);
    const { record, substitutes } = await runPasses(model, name + options);
    expect(record.stats.gather).toBe(1);
    const plain = embedModel(128);
    substitute(plain, substitutes);
    expect(await difference(model, plain, ids)).toBeLessThan(1e-6);
    expect(await difference(plain, embedModel(128), ids)).toBeGreaterThan(1e-3);
  });

  it('accounts for every weight', async () => {
    const { record } = await runPasses(mlpModel(), name);
    const bits = name === 'int4' ? 4 : 8;
    // Rows of 64 and 72 columns: 2 and 3 blocks with a scale each and packed zero points.
    const bytes = (rows: number, blocks: number): number =>
      rows * (blocks * 32 * (bits / 8) + blocks * 4 + Math.ceil((blocks * bits) / 8));
    const format = `${name} block 32 asymmetric`;
    expect(record.coverage).toEqual([
      { weight: 'up.weight', use: 'MatMul', bytesBefore: 64 * 72 * 4, bytesAfter: bytes(72, 2), format },
      { weight: 'down.weight', use: 'MatMul', bytesBefore: 72 * 40 * 4, bytesAfter: bytes(40, 3), format },
      {
        weight: 'up.bias',
        use: 'MatMulNBits',
        bytesBefore: 288,
        bytesAfter: 288,
        format: 'float32',
        reason: 'a vector or a number',
      },
    ]);
  });
});

describe('operators', () => {
  it('prints as expected', async () => {
    const model = mlpModel();
    await runPasses(model, 'int4');
    await expect(printModel(model)).toMatchFileSnapshot('golden/int4.txt');
    const table = embedModel(128);
    await runPasses(table, 'int8');
    await expect(printModel(table)).toMatchFileSnapshot('golden/int8-table.txt');
  });

  it('asks for the accuracy level that the fast kernel wants: 8 bits on the CPU, nothing for 4', async () => {
    const levels = async (text: string, on: readonly Target[]): Promise<(number | undefined)[]> => {
      const model = mlpModel();
      await runPasses(model, text, { targets: on });
      return [...model.graph.nodes()]
        .filter(({ op }) => op === matMulNBits)
        .map((node) => node.int('accuracy_level'));
    };
    expect(await levels('int8', targets)).toEqual([4, 4]);
    expect(await levels('int4', targets)).toEqual([undefined, undefined]);
    expect(await levels('int8', [floatKernels])).toEqual([undefined, undefined]);
  });

  it('shares what is shared: one weight, two readers', async () => {
    const make = (): Model =>
      buildModel((b) => {
        const input = b.input('x', tensorType('float32', [2, 9, 64]));
        const w = weight('w', [64, 64], 1);
        const shared = linear(b, input, { weight: w });
        const again = b.op('MatMul', [b.op('Tanh', [shared]), shared.producer?.input(1) ?? input]);
        b.output('y', again);
      });
    const model = make();
    const { substitutes } = await runPasses(model, 'int4');
    expect([...model.graph.initializers()].map(({ name }) => name)).toEqual([
      'w.values',
      'w.scales',
      'w.zero_points',
    ]);
    const plain = make();
    substitute(plain, substitutes);
    expect(await difference(model, plain, x)).toBeLessThan(1e-5);
  });
});

describe('what stays, and why', () => {
  const reasons = async (make: (b: GraphBuilder) => void, text = 'int4', on: readonly Target[] = targets) => {
    const { record } = await runPasses(buildModel(make), text, { targets: on });
    return record.coverage.map(({ weight: name, format, reason }) => [name, format, reason]);
  };
  const product = (b: GraphBuilder, shape: readonly number[], name = 'w') => {
    const input = b.input('x', tensorType('float32', [2, 3, 5, shape.at(-2) ?? 0]));
    return b.op('MatMul', [input, b.weight(name, randomWeight(name, shape, 1))]);
  };

  it('batched matrices, short rows, weights of convolutions', async () => {
    expect(await reasons((b) => b.output('y', product(b, [3, 64, 8])))).toEqual([
      ['w', 'float32', '3 axes: one matrix per batch'],
    ]);
    expect(await reasons((b) => b.output('y', product(b, [16, 64])))).toEqual([
      ['w', 'float32', 'rows of 16 are shorter than a block of 32'],
    ]);
    expect((await reasons((b) => b.output('y', product(b, [16, 64])), 'int4{block=16}'))[0]?.[1]).toMatch(
      /^int4/,
    );
    const conv = (b: GraphBuilder): void => {
      const input = b.input('x', tensorType('float32', [1, 3, 8, 8]));
      b.output('y', b.op('Conv', [input, b.weight('w', randomWeight('w', [4, 3, 2, 2], 1))]));
    };
    expect(await reasons(conv)).toEqual([['w', 'float32', 'Conv has no quantized form']]);
  });

  it('a computation that another pass fixed to float32', async () => {
    const make = (b: GraphBuilder): void => {
      b.output('y', product(b, [64, 64]));
      for (const node of b.graph.nodes()) node.metadata.set('vlm-convert.precision', 'float32');
    };
    expect(await reasons(make)).toEqual([['w', 'float32', 'computed in float32']]);
  });

  it('a weight that something else reads, too', async () => {
    const make = (b: GraphBuilder): void => {
      const y = product(b, [64, 64]);
      b.output('y', y);
      b.output('z', b.op('Neg', [y.producer?.input(1) ?? y]));
    };
    expect(await reasons(make)).toEqual([['w', 'float32', 'also read by Neg']]);
  });

  it('tables: on demand, with cut blocks, with an odd number of blocks, made for the graph', async () => {
    const table = (b: GraphBuilder, depth: number): void => {
      const at = b.input('ids', tensorType('int64', ['batch', 'tokens']));
      b.output('y', b.op('Gather', [b.weight('table', randomWeight('table', [30, depth], 4)), at]));
    };
    expect((await reasons((b) => table(b, 64), 'int4{embedding=false}'))[0]?.[2]).toBe('embedding=false');
    expect((await reasons((b) => table(b, 72)))[0]?.[2]).toBe('rows of 72 are not whole blocks of 32');
    expect((await reasons((b) => table(b, 96)))[0]?.[2]).toMatch(
      /on webgpu: an odd number of blocks per row \(3\)/,
    );
    expect((await reasons((b) => table(b, 96), 'int4', [onnxruntimeCpu]))[0]?.[1]).toMatch(/^int4/);
    expect((await reasons((b) => table(b, 96), 'int8'))[0]?.[1]).toMatch(/^int8/);
    const frequencies = (b: GraphBuilder): void => {
      const at = b.input('ids', tensorType('int64', []));
      b.output('y', b.op('Gather', [b.float32(new Float32Array(4 * 64), [4, 64]), at]));
    };
    expect(await reasons(frequencies)).toEqual([
      ['const_f32', 'float32', 'small, or computed for the graph'],
    ]);
  });

  it('what a target has no kernel for', async () => {
    const bare = { id: 'bare', title: 'Bare', kernels: [], support: {} };
    expect((await reasons((b) => b.output('y', product(b, [64, 64])), 'int4', [bare]))[0]?.[2]).toBe(
      'com.microsoft::MatMulNBits on bare: no kernel',
    );
    const model = embedModel(128);
    await runPasses(model, 'int4', { targets: [bare] });
    expect(countOps(model, gatherBlockQuantized)).toBe(0);
  });
});
