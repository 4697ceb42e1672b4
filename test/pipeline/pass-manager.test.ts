/** The pass manager: records, substitutes, verification and the reproducer. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Pass } from '../../src/passes/pass.ts';
import { type Reproducer, runPipeline } from '../../src/pipeline/pass-manager.ts';
import { type PipelineStep, parsePipeline } from '../../src/pipeline/pipeline-text.ts';
import { diagnostic, VlmError } from '../../src/report/diagnostics.ts';
import { targets } from '../../src/targets/registry.ts';
import { zeros } from '../../src/tensor/derived/fill.ts';
import { buildModel, randomWeight } from '../support/run-model.ts';

function model() {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', [2, 4]));
    b.output('y', b.op('Identity', [b.op('MatMul', [x, b.weight('w', randomWeight('w', [4, 3], 1))])]));
  });
}

function stepOf(run: Pass['run'], name = 'test-pass'): PipelineStep {
  return { pass: { name, summary: '', options: z.strictObject({}), run }, options: {} };
}

describe('runPipeline', () => {
  it('records what each pass said, in order', async () => {
    const seen: string[] = [];
    const talk = stepOf((_model, _options, cx) => {
      expect(cx.targets).toBe(targets);
      cx.note('a note');
      cx.warn(diagnostic('VC4301', { where: 'tile 3' }));
      cx.coverage({ weight: 'w', use: 'MatMul', bytesBefore: 48, bytesAfter: 24, format: 'float16' });
      cx.substitute('w', zeros('float32', [4, 3]));
      return { changed: false, stats: { things: 2 } };
    });
    const { records, substitutes } = await runPipeline(model(), [talk, ...parsePipeline('fold,dead-code')], {
      onPass: ({ name }) => seen.push(name),
    });
    expect(seen).toEqual(['test-pass', 'fold', 'dead-code']);
    const [first, second] = records;
    expect(first).toMatchObject({
      name: 'test-pass',
      changed: false,
      stats: { things: 2 },
      notes: ['a note'],
      warnings: [{ code: 'VC4301', where: 'tile 3' }],
      coverage: [{ weight: 'w', bytesAfter: 24 }],
    });
    expect(second).toMatchObject({
      changed: true,
      stats: { identity: 1 },
      notes: [],
      warnings: [],
      coverage: [],
    });
    expect([...substitutes.keys()]).toEqual(['w']);
  });

  it('names the pass that broke the graph, and hands out the graph as it was before', async () => {
    const broken = stepOf(({ graph }) => {
      const x = graph.inputs[0] ?? null;
      const node = graph.addNode({ op: 'MatMul', inputs: [x, x], name: 'wrong' });
      graph.setOutputs([...graph.outputs, node.output]);
      return { changed: true, stats: {} };
    }, 'breaker');
    const reproducers: Reproducer[] = [];
    const steps = [...parsePipeline('fold'), broken, ...parsePipeline('int4{block=64}')];
    const run = () =>
      runPipeline(model(), steps, { onFailure: (reproducer) => void reproducers.push(reproducer) });
    await expect(run()).rejects.toThrow(VlmError);
    await expect(run()).rejects.toThrow(/VC3201[\s\S]*after breaker[\s\S]*VC31/);
    expect(reproducers[0]?.pass).toBe('breaker');
    expect(reproducers[0]?.pipeline).toBe('breaker,int4{block=64}');
    expect(reproducers[0]?.done).toBe('fold');
    expect(reproducers[0]?.targets).toBe(targets);
    const graph = reproducers[0] === undefined ? '' : printModel(reproducers[0].before);
    expect(graph).toContain('MatMul(x, w)');
    expect(graph).not.toContain('wrong');
    // The pass before it had done its work.
    expect(graph).not.toContain('Identity');
    expect(reproducers[0]?.error).toBeInstanceOf(VlmError);
  });

  it('types what a pass added without a type', async () => {
    const untyped = stepOf(({ graph }) => {
      const [output] = graph.outputs;
      graph.setOutputs([graph.addNode({ op: 'Transpose', inputs: [output ?? null] }).output]);
      return { changed: true, stats: {} };
    });
    const changed = model();
    await runPipeline(changed, [untyped]);
    expect(changed.graph.outputs[0]?.type).toEqual(tensorType('float32', [3, 2]));
  });

  it('verifies also what inference does not see: an internal operator that is left behind', async () => {
    const leftBehind = stepOf(({ graph }) => {
      const [output] = graph.outputs;
      const node = graph.addNode({
        op: 'ScaledDotProductAttention',
        domain: 'vlm.internal',
        inputs: [output ?? null],
        outputs: [{ type: tensorType('float32', [2, 3]) }],
      });
      graph.setOutputs([node.output]);
      return { changed: true, stats: {} };
    });
    await expect(runPipeline(model(), [leftBehind])).rejects.toThrow(/VC3201[\s\S]*vlm\.internal/);
  });

  it('does not verify after a pass that changed nothing', async () => {
    const idle = stepOf(() => ({ changed: false, stats: {} }));
    const wrong = model();
    const x = wrong.graph.inputs[0] ?? null;
    wrong.graph.setOutputs([wrong.graph.addNode({ op: 'MatMul', inputs: [x, x] }).output]);
    await expect(runPipeline(wrong, [idle])).resolves.toMatchObject({ records: [{ changed: false }] });
  });
});
