/** Biases inside GELU, where targets have the operators. */
import { describe, expect, it } from 'vitest';
import { printModel } from '../../../src/graph/print.ts';
import { add, fuse, type Make, vector } from './spelled.ts';

const gelu =
  (approximate: string, shape?: readonly number[]): Make =>
  (b, x) =>
    b.op('Gelu', [add(b, vector(b, 1, shape), x)], { attributes: { approximate } });

describe('a bias before GELU', () => {
  it('goes inside FastGelu', async () => {
    const { ops, error, model } = await fuse('fuse-bias', gelu('tanh'));
    expect(ops).toEqual(['com.microsoft::FastGelu']);
    expect(error).toBeLessThan(2e-6);
    await expect(printModel(model)).toMatchFileSnapshot('../golden/fuse-bias.txt');
  });

  it('goes inside FastGelu that is there without one', async () => {
    const { ops, error } = await fuse('fuse-bias', (b, x) =>
      b.op('FastGelu', [add(b, x, vector(b, 1))], { domain: 'com.microsoft' }),
    );
    expect(ops).toEqual(['com.microsoft::FastGelu']);
    expect(error).toBeLessThan(2e-6);
  });

  it('goes inside BiasGelu where the target has it', async () => {
    const { ops, error } = await fuse('fuse-bias', gelu('none'));
    expect(ops).toEqual(['com.microsoft::BiasGelu']);
    expect(error).toBeLessThan(2e-6);
    const other = await fuse('fuse-bias{target=generic}', gelu('none'));
    expect(other.ops).toEqual(['Add', 'Gelu']);
    expect(other.record.notes.join()).toMatch(/BiasGelu on generic/);
  });

  it.each<[string, Make, RegExp]>([
    ['one number per row', gelu('tanh', [5, 1]), /is no bias of \[8\]/],
    ['one number', gelu('tanh', [1]), /is no bias of \[8\]/],
  ])('is not %s', async (_, make, reason) => {
    const { ops, record } = await fuse('fuse-bias', make);
    expect(ops).toEqual(['Add', 'Gelu']);
    expect(record.notes.join()).toMatch(reason);
  });
});
