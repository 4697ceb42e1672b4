/** RMS normalization in the spellings that exporters use, and what only looks like one. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { printModel } from '../../../src/graph/print.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { census } from '../../../src/passes/census.ts';
import { randomInput } from '../../support/run-model.ts';
import { difference, runPasses } from '../run-pass.ts';
import { add, cast, div, fuse, half, type Make, mean, modelOf, mul, pow, sub, vector } from './spelled.ts';

const simplified = 'SimplifiedLayerNormalization';
const epsilon = 1e-3;

const root = (b: GraphBuilder, x: Value): Value =>
  b.op('Sqrt', [add(b, mean(b, pow(b, x, b.scalar(2))), b.scalar(epsilon))]);

describe('spellings that become one operator', () => {
  it.each<[string, Make]>([
    ['division by the root', (b, x) => mul(b, div(b, x, root(b, x)), vector(b, 1))],
    [
      'Llama: scale times x times a reciprocal',
      (b, x) => mul(b, vector(b, 1), mul(b, x, b.op('Reciprocal', [root(b, x)]))),
    ],
    ['one over the root', (b, x) => mul(b, vector(b, 1), mul(b, x, div(b, b.scalar(1), root(b, x))))],
    [
      'power of -0.5',
      (b, x) => {
        const square = add(b, mean(b, mul(b, x, x)), b.scalar(epsilon));
        return mul(b, vector(b, 1), mul(b, x, pow(b, square, b.scalar(-0.5))));
      },
    ],
    [
      'Gemma: one plus the weight',
      (b, x) => mul(b, div(b, x, root(b, x)), add(b, b.scalar(1), vector(b, 1))),
    ],
  ])('%s', async (_, make) => {
    const { ops, error, model, record } = await fuse('fold,fuse-rmsnorm', make);
    expect(record.notes).toEqual([]);
    expect(ops).toEqual([simplified]);
    const [norm] = model.graph.nodes();
    expect(norm?.float('epsilon')).toBe(Math.fround(epsilon));
    expect(error).toBeLessThan(2e-6);
  });

  it('prints as one line', async () => {
    const make: Make = (b, x) => mul(b, vector(b, 1), mul(b, x, b.op('Reciprocal', [root(b, x)])));
    const { model } = await fuse('fuse-rmsnorm', make);
    await expect(printModel(model)).toMatchFileSnapshot('../golden/fuse-rmsnorm.txt');
  });

  it('computes in float32 for float16 where the graph casts', async () => {
    const make: Make = (b, x) => {
      const narrow = cast(b, x, 'float16');
      const wide = cast(b, narrow, 'float32');
      const normed = cast(b, mul(b, wide, b.op('Reciprocal', [root(b, wide)])), 'float16');
      return cast(b, mul(b, half(b, [1, 2, 3, 4, 5, 6, 7, 8], [8]), normed), 'float32');
    };
    const { ops, error } = await fuse('fuse-rmsnorm', make);
    expect(ops).toEqual(['Cast', simplified, 'Cast']);
    expect(error).toBeLessThan(2e-3);
  });

  it('takes the standard operator where the model and all targets have it', async () => {
    const make: Make = (b, x) => mul(b, div(b, x, root(b, x)), vector(b, 1));
    const opsAt = async (opset: number, pass: string): Promise<readonly string[]> => {
      const model = modelOf(make);
      model.opsetImports.set('', opset);
      await runPasses(model, pass);
      return [...model.graph.nodes()].map((node) => node.op);
    };
    expect(await opsAt(23, 'fuse-rmsnorm')).toEqual(['RMSNormalization']);
    expect(await opsAt(22, 'fuse-rmsnorm')).toEqual([simplified]);
    expect(await opsAt(23, 'fuse-rmsnorm{target=generic}')).toEqual(['RMSNormalization']);
  });

  it('runs where the scale is wider than x, as exporters write it', async () => {
    const make: Make = (b, x) =>
      b.op(simplified, [cast(b, x, 'float16'), vector(b, 1)], { attributes: { axis: -1 } });
    const model = modelOf(make);
    expect(model.graph.outputs[0]?.type).toEqual(tensorType('float32', ['batch', 5, 8]));
    await runPasses(model, 'fuse-rmsnorm');
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['Cast', 'Cast', simplified]);
    const plain = modelOf((b, x) =>
      b.op(simplified, [cast(b, cast(b, x, 'float16'), 'float32'), vector(b, 1)], {
        attributes: { axis: -1 },
      }),
    );
    expect(await difference(model, plain, { x: randomInput([2, 5, 8], 1) })).toBe(0);
  });

  it('stays spelled out, and is counted, where a target has neither', async () => {
    const make: Make = (b, x) => mul(b, div(b, x, root(b, x)), vector(b, 1));
    const { ops, model, record } = await fuse('fuse-rmsnorm{target=generic}', make);
    expect(ops).toContain('Sqrt');
    expect(census(model).get('rms_norm')?.found).toBe(1);
    expect(record.notes.join()).toMatch(
      /RMS normalization stays spelled out 1 times, first at Div: .* on generic/,
    );
  });
});

describe('what is no RMS normalization', () => {
  it.each<[string, Make, RegExp]>([
    [
      'L2 normalization',
      (b, x) => {
        const sum = b.op('ReduceSum', [mul(b, x, x), b.int64([-1])]);
        return div(b, x, b.op('Sqrt', [add(b, sum, b.scalar(epsilon))]));
      },
      /^$/,
    ],
    ['another value divided', (b, x) => div(b, b.op('Exp', [x]), root(b, x)), /is both/],
    [
      'a layer normalization',
      (b, x) => {
        const c = sub(b, x, mean(b, x));
        return div(b, c, root(b, c));
      },
      /has its mean taken off/,
    ],
    [
      'the absolute mean',
      (b, x) => div(b, x, b.op('Sqrt', [add(b, mean(b, b.op('Abs', [x])), b.scalar(1))])),
      /./,
    ],
  ])('%s', async (_, make, reason) => {
    const { ops, record } = await fuse('fuse-rmsnorm', make);
    expect(ops).not.toContain(simplified);
    expect(record.notes.join(' ')).toMatch(reason);
  });
});
