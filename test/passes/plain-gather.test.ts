/** Quantized rows gathered in standard operators: the same numbers, bit for bit, as the operator gives. */
import { describe, expect, it } from 'vitest';
import { cloneModel } from '../../src/graph/clone.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import { int64Value } from '../../src/runtime/values.ts';
import { onnxruntimeCpu } from '../../src/targets/onnxruntime-cpu.ts';
import { cast } from '../../src/tensor/derived/cast.ts';
import { buildModel, randomWeight, runModel } from '../support/run-model.ts';
import { runPasses } from './run-pass.ts';

const operator = 'com.microsoft::GatherBlockQuantized';
const count = (model: Model): number => [...model.graph.nodes()].filter((n) => n.op === operator).length;

function table(depth: number, dtype: 'float32' | 'float16', rank: 1 | 2): Model {
  return buildModel((b) => {
    const ids = b.input('ids', tensorType('int64', rank === 1 ? ['tokens'] : ['batch', 'tokens']));
    const weight = randomWeight('table', [30, depth], 4);
    b.output(
      'y',
      b.op('Gather', [b.weight('table', dtype === 'float32' ? weight : cast(weight, dtype)), ids]),
    );
  });
}

/** We always write them; other tools leave them out where they are the middle of the range. */
function dropZeroPoints(model: Model): void {
  for (const node of model.graph.nodes()) {
    if (node.op === operator) model.graph.setInput(node, 3, null);
  }
}

const ids = [0, 29, 4, 4, 17, 1];

describe.each(['int4', 'int8'])('rows in %s', (precision) => {
  it.each([
    ['with zero points', '{block=16}', 64, 'float32'],
    ['an odd number of blocks', '{block=16}', 48, 'float32'],
    ['without zero points', '{block=16,symmetric=true}', 48, 'float32'],
    ['float16', '{block=32}', 64, 'float16'],
  ] as const)('%s', async (name, options, depth, dtype) => {
    for (const rank of [1, 2] as const) {
      const model = table(depth, dtype, rank);
      // One target: others refuse some of these forms.
      await runPasses(model, precision + options, { targets: [onnxruntimeCpu] });
      expect(count(model)).toBe(1);
      if (name === 'without zero points') dropZeroPoints(model);
      const plain = cloneModel(model);
      const { record } = await runPasses(plain, 'plain-gather');
      expect(record.stats).toEqual({ gather: 1, kept: 0 });
      expect(count(plain)).toBe(0);
      const feeds = { ids: int64Value(rank === 1 ? [6] : [2, 3], ids) };
      const [expected, found] = [await runModel(model, feeds), await runModel(plain, feeds)];
      expect(found.get('y')).toEqual(expected.get('y'));
      expect(new Set(Array.from(found.get('y')?.data ?? [], Number)).size).toBeGreaterThan(depth);
    }
  });

  it('reads as the arithmetic that it is', async () => {
    const model = table(48, 'float32', 2);
    await runPasses(model, `${precision}{block=16},plain-gather`, { targets: [onnxruntimeCpu] });
    expect(count(model)).toBe(0);
    await expect(printModel(model)).toMatchFileSnapshot(`golden/plain-gather-${precision}.txt`);
  });

  it('leaves a model alone whose operator set has no bit operations', async () => {
    const model = table(64, 'float32', 2);
    await runPasses(model, precision);
    model.opsetImports.set('', 17);
    const { record } = await runPasses(model, 'plain-gather');
    expect(record.changed).toBe(false);
    expect(record.notes.join()).toContain('operator set below 18');
    expect(count(model)).toBe(1);
  });
});
