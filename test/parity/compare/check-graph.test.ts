/** What a converted model is held to: limits by level, picks of few rows, models that round inside. */
import { describe, expect, it } from 'vitest';
import { encodeModel } from '../../../src/formats/onnx/encode.ts';
import { layoutModel } from '../../../src/formats/onnx/layout.ts';
import type { Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { checkGraph, type GraphCheckRequest } from '../../../src/parity/compare/check-graph.ts';
import type { ModelInMemory } from '../../../src/runtime/session.ts';
import { float32Value } from '../../../src/runtime/values.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { buildModel, randomNumbers } from '../../support/run-model.ts';

async function inMemory(model: Model): Promise<ModelInMemory> {
  const layout = layoutModel(model, { fileName: 'm', inlineLimit: Number.MAX_SAFE_INTEGER });
  return { bytes: await encodeModel(model, layout) };
}

/** x [1, rows, 4] plus a constant of its last axis. */
function shifted(rows: number, by: readonly number[]): Promise<ModelInMemory> {
  return inMemory(
    buildModel((b) => {
      const x = b.input('x', tensorType('float32', [1, rows, 4]));
      const bytes = new Uint8Array(Float32Array.from(by).buffer);
      b.output('logits', b.op('Add', [x, b.weight('by', inlineTensor('float32', [4], bytes))]));
    }),
  );
}

const base: Omit<GraphCheckRequest, 'builds' | 'given'> = {
  name: 'm',
  bounds: new Map(),
  dimensions: new Map(),
  seed: 1,
  precision: 'fp16',
  coarse: false,
  gates: [],
  device: { requested: 'cpu', device: 'cpu', passedOver: [] },
  onStep: () => {},
  signal: undefined,
};

/** Logits of which the first `ties` rows have two best that are nearly the same. */
function logits(rows: number, ties: number) {
  const data = randomNumbers(rows * 4, 3);
  for (let row = 0; row < rows; row += 1) {
    data.set([5, row < ties ? 4.999 : 0], row * 4);
  }
  return new Map([['x', float32Value([1, rows, 4], data)]]);
}

describe('picks', () => {
  const checked = async (rows: number, ties: number, gates: GraphCheckRequest['gates'] = []) => {
    const builds = {
      reference: await shifted(rows, [0, 0, 0, 0]),
      output: await shifted(rows, [0, 0.002, 0, 0]),
    };
    const { draws, passed } = await checkGraph({ ...base, gates, builds, given: logits(rows, ties) });
    const judged = draws.flatMap(({ levels }) => levels.flatMap((level) => level.gates));
    return { passed, top1: judged.find(({ metric }) => metric === 'top1')?.value };
  };

  it('are not judged by share where there are few of them', async () => {
    expect(await checked(10, 1)).toEqual({ passed: true, top1: undefined });
    expect(await checked(40, 1)).toEqual({ passed: true, top1: 0.975 });
    expect(await checked(40, 4)).toEqual({ passed: false, top1: 0.9 });
  });

  it('are where somebody asks for it', async () => {
    const gate = { level: 'fidelity', output: 'logits', metric: 'top1', limit: 0.95 } as const;
    expect(await checked(10, 1, [gate])).toEqual({ passed: false, top1: 0.9 });
  });
});

describe('limits', () => {
  const builds = async () => ({
    reference: await shifted(8, [0, 0, 0, 0]),
    output: await shifted(8, [0, 0, 0, 0.01]),
  });
  const given = logits(8, 0);

  it('are those of the precision, or what is asked for', async () => {
    const passed = async (more: Partial<GraphCheckRequest>) =>
      (await checkGraph({ ...base, builds: await builds(), given, ...more })).passed;
    expect(await passed({ precision: 'fp32' })).toBe(false);
    expect(await passed({ precision: 'int4' })).toBe(true);
    const gate = { level: undefined, output: undefined, metric: 'max', limit: 1e-4 } as const;
    expect(await passed({ precision: 'int4', gates: [gate] })).toBe(false);
    expect(await passed({ precision: 'int4', gates: [{ ...gate, level: 'rewrite' }] })).toBe(true);
  });

  it('say when a gate is about nothing', async () => {
    const gate = { level: undefined, output: 'nothing', metric: 'max', limit: 1 } as const;
    const request = { ...base, builds: await builds(), given, gates: [gate] };
    await expect(checkGraph(request)).rejects.toMatchObject({ code: 'VC6105' });
  });

  it('name levels from the graph before rounding to the output', async () => {
    const { reference, output } = await builds();
    const { draws } = await checkGraph({
      ...base,
      precision: 'int4',
      builds: { reference, output, rounded: { plain: output, fair: output, exact: output } },
      given,
    });
    const failed = draws[0]?.levels.map(({ level, gates }) => [level, gates.every(({ passed }) => passed)]);
    expect(failed).toEqual([
      ['rewrite', false],
      ['implementation', true],
      ['fidelity', true],
    ]);
  });
});
