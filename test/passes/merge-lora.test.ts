/** Per-view adapters as architectures spell them, merged, in onnxruntime. */
import { describe, expect, it } from 'vitest';
import { linear } from '../../src/architectures/blocks/linear.ts';
import {
  type AdapterFactors,
  adapterBranch,
  adapterFactors,
} from '../../src/architectures/blocks/view-adapters.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { buildModel, randomInput, randomWeight } from '../support/run-model.ts';
import { countOps, difference, runPasses } from './run-pass.ts';

const [inputs, outputs, rank] = [12, 10, 3];

function adapter(seed: number): AdapterFactors {
  return adapterFactors(
    randomWeight(`a${seed}`, [rank, inputs], seed, 0.5),
    randomWeight(`b${seed}`, [outputs, rank], seed + 100, 0.5),
    randomWeight(`scale${seed}`, [1], seed + 200, 1),
  );
}

const weight = { name: 'proj.weight', tensor: randomWeight('proj.weight', [outputs, inputs], 1) };
const bias = { name: 'proj.bias', tensor: randomWeight('proj.bias', [outputs], 2) };

interface Layer {
  readonly views: readonly (AdapterFactors | null)[];
  readonly bias: boolean;
  /** What the branch reads; the input of the layer by default. */
  readonly branchInput?: (b: GraphBuilder, x: Value) => Value;
}

function layerModel({ views, bias: biased, branchInput = (_, x) => x }: Layer): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['batch', views.length, 5, inputs]));
    b.scope('proj', () => {
      const base = linear(b, x, biased ? { weight, bias } : { weight });
      const branch = adapterBranch(b, branchInput(b, x), { name: 'proj_lora', views });
      b.output('y', branch === undefined ? base : b.op('Add', [base, branch]));
    });
  });
}

const one = adapter(11);
const two = adapter(12);
const input = { x: randomInput([2, 5, 5, inputs], 3) };

describe('merge-lora', () => {
  it.each([true, false])('folds adapters into copies of the weight, bias %s', async (biased) => {
    const layer: Layer = { views: [one, two, two, one, null], bias: biased };
    const model = layerModel(layer);
    const { record } = await runPasses(model, 'merge-lora');
    expect(record.stats.modules).toBe(1);
    expect(record.stats.branchesLeft).toBe(0);
    expect(record.notes).toEqual([]);
    // Runs: one | two two | one | none.
    expect(countOps(model, 'MatMul')).toBe(4);
    const names = [...model.graph.initializers()]
      .map(({ name }) => name)
      .filter((name) => /weight/.test(name));
    expect(names.sort()).toEqual(['proj.weight', 'proj.weight@view0', 'proj.weight@view1']);
    expect(await difference(model, layerModel(layer), input)).toBeLessThan(1e-5);
    if (biased) await expect(printModel(model)).toMatchFileSnapshot('golden/merge-lora.txt');
  });

  it('takes each view through its own adapter', async () => {
    const other: Layer = { views: [two, one, two, one, null], bias: true };
    const model = layerModel(other);
    await runPasses(model, 'merge-lora');
    const swapped = layerModel({ ...other, views: [one, two, two, one, null] });
    expect(await difference(model, swapped, input)).toBeGreaterThan(0.1);
  });

  it('needs no split where all views run one adapter, and drops the base', async () => {
    const layer: Layer = { views: [one, one, one, one, one], bias: true };
    const model = layerModel(layer);
    await runPasses(model, 'merge-lora');
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual(['MatMul', 'Add']);
    expect(model.graph.value('proj.weight')).toBeUndefined();
    expect(await difference(model, layerModel(layer), input)).toBeLessThan(1e-5);
  });

  it('counts bytes: copies come, stacks go', async () => {
    const model = layerModel({ views: [one, two, null, null, null], bias: true });
    const { record } = await runPasses(model, 'merge-lora');
    const copies = 2 * inputs * outputs * 4;
    const stacks = 5 * (rank * (inputs + outputs) + 1) * 4;
    const sizes = 3 * 8;
    expect(record.stats.bytesAdded).toBe(copies - stacks + sizes);
  });

  it('leaves a branch whose base reads another input, and says so', async () => {
    const layer: Layer = {
      views: [one, two, two, one, null],
      bias: true,
      branchInput: (b, x) => b.op('Neg', [x]),
    };
    const model = layerModel(layer);
    const { record } = await runPasses(model, 'merge-lora');
    expect(record.changed).toBe(false);
    expect(record.stats.branchesLeft).toBe(1);
    const bytes = 5 * (rank * (inputs + outputs) + 1) * 4;
    expect(record.notes).toEqual([
      `1 adapter branches (${bytes} bytes) stay as they are: no linear layer with the same input stands beside them`,
    ]);
    expect(await difference(model, layerModel(layer), input)).toBe(0);
  });
});
