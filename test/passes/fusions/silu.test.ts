/** SiLU in its spellings, alone and as the gate of a SwiGLU. */
import { describe, expect, it } from 'vitest';
import { printModel } from '../../../src/graph/print.ts';
import { census } from '../../../src/passes/census.ts';
import { runPasses } from '../run-pass.ts';
import { add, div, fuse, type Make, modelOf, mul } from './spelled.ts';

const quickGelu = 'com.microsoft::QuickGelu';
const silu: Make = (b, x) => mul(b, x, b.op('Sigmoid', [x]));

describe('SiLU', () => {
  it.each<[string, Make]>([
    ['x · sigmoid(x)', silu],
    ['x / (1 + exp(-x))', (b, x) => div(b, x, add(b, b.scalar(1), b.op('Exp', [b.op('Neg', [x])])))],
    [
      'x · (1 / (1 + exp(-x)))',
      (b, x) => mul(b, b.op('Reciprocal', [add(b, b.op('Exp', [mul(b, x, b.scalar(-1))]), b.scalar(1))]), x),
    ],
  ])('%s', async (_, make) => {
    const { ops, error, model } = await fuse('fuse-silu', make);
    expect(ops).toEqual([quickGelu]);
    expect(census(model).get('silu')?.found).toBe(1);
    expect(error).toBeLessThan(1e-6);
  });

  it('is the gate of a SwiGLU', async () => {
    const { ops, error, model } = await fuse('fuse-silu', (b, x) => {
      const gate = b.op('Neg', [x]);
      return mul(b, silu(b, gate), b.op('Exp', [x]));
    });
    expect(ops).toEqual(['Neg', quickGelu, 'Exp', 'Mul']);
    expect(error).toBeLessThan(1e-6);
    await expect(printModel(model)).toMatchFileSnapshot('../golden/fuse-silu.txt');
  });

  it('comes out of the operator of opset 24, too', async () => {
    const model = modelOf((b, x) => b.op('Swish', [x]));
    model.opsetImports.set('', 24);
    await runPasses(model, 'fuse-silu');
    expect([...model.graph.nodes()].map((node) => [node.op, node.float('alpha')])).toEqual([[quickGelu, 1]]);
  });

  it('stays spelled out, and is counted once, where a target has no operator for it', async () => {
    const { ops, model, record } = await fuse('fuse-silu{target=generic},fuse-silu{target=generic}', silu);
    expect(ops).toEqual(['Sigmoid', 'Mul']);
    expect(census(model).get('silu')?.found).toBe(1);
    expect(record.changed).toBe(false);
  });

  it.each<[string, Make]>([
    ['a gate by another value', (b, x) => mul(b, b.op('Exp', [x]), b.op('Sigmoid', [x]))],
    ['HardSwish', (b, x) => mul(b, x, b.op('HardSigmoid', [x]))],
    ['another steepness', (b, x) => mul(b, x, b.op('Sigmoid', [mul(b, x, b.scalar(1.1))]))],
    [
      'two added to the exponential',
      (b, x) => div(b, x, add(b, b.scalar(2), b.op('Exp', [b.op('Neg', [x])]))),
    ],
  ])('is not %s', async (_, make) => {
    expect((await fuse('fuse-silu', make)).ops).not.toContain(quickGelu);
  });
});
