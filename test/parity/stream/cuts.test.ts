/** Where graphs are cut, and which cuts a rewritten graph still has. */
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/formats/checkpoint/open.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { cloneModel } from '../../../src/graph/clone.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../../src/graph/model.ts';
import { tensorType } from '../../../src/graph/types.ts';
import type { Value } from '../../../src/graph/value.ts';
import { verifyModel } from '../../../src/graph/verify.ts';
import { findCuts } from '../../../src/parity/stream/cuts.ts';
import { recomputable } from '../../../src/parity/stream/dependence.ts';
import { commonCuts, cutModel } from '../../../src/parity/stream/parts.ts';
import { buildsOf } from '../../../src/pipeline/check-plan.ts';
import { compile } from '../../../src/pipeline/compile.ts';
import { resolveOptions } from '../../../src/pipeline/options.ts';
import { build } from '../../../src/pipeline/plan.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { goldenCase } from '../../support/golden-cases.ts';

const unlimited = Number.POSITIVE_INFINITY;

/** The components of a case, converted. */
async function compiled(name: string, precision: 'fp32' | 'fp16' | 'int8' | 'int4') {
  const options = resolveOptions({ checkpoint: goldenCase(name).checkpoint, precision });
  const checkpoint = await openCheckpoint(options.checkpoint);
  try {
    return await compile(build(checkpoint, options), options);
  } finally {
    await checkpoint.close();
  }
}

const families = [
  ['monkey/tiny-896', ['views', 'embed', 'block.0', 'block.1', 'block.2'], ['layer.0', 'layer.1']],
  ['qwen-vl/tiny-long', ['embed', 'block.0', 'block.1'], ['layer.0', 'layer.1']],
  ['llava/hf-tiny', ['embed', 'block.0', 'block.1'], ['layer.0', 'layer.1']],
  // Behind the tower, before and behind the choice of tokens, whose cuts name what the tower gave first.
  [
    'textmonkey/resized-896',
    [
      ...['views', 'embed', 'block.0', 'block.1', 'windows.0', 'block.2', 'block.3', 'block.4', 'block.5'],
      ...['windows.1', 'block.6', 'pool', 'pool', 'pool'],
    ],
    ['layer.0', 'layer.1'],
  ],
] as const;

describe('cuts', () => {
  it.each(families)(
    'of %s lie between the blocks, and every precision keeps them',
    async (name, tower, decoder) => {
      for (const precision of ['fp32', 'fp16', 'int8', 'int4'] as const) {
        for (const one of await compiled(name, precision)) {
          const builds = Object.values(buildsOf(one)) as Model[];
          const found = findCuts(one.component.model.graph, { limitBytes: unlimited, at: 'blocks' });
          const kept = commonCuts(
            found,
            builds.map((model) => model.graph),
          );
          const wanted = { vision: tower, embed: [], decoder }[one.component.id] ?? [];
          expect(kept.map(([value = '']) => value.split('/')[0])).toEqual([...wanted]);
          for (const model of builds) {
            const parts = cutModel(model, kept);
            for (const part of parts) verifyModel(part.model);
            // Every node that is not made anew in each part is in one.
            const free = recomputable(model.graph);
            const nodes = parts.reduce((sum, part) => sum + part.nodes, 0);
            expect(nodes).toBe([...model.graph.nodes()].filter((node) => !free.has(node)).length);
            expect(parts.flatMap((part) => part.outputs).sort()).toEqual(
              model.graph.outputs.map((value) => value.name).sort(),
            );
          }
        }
      }
    },
  );

  it('are found without the names of modules, for a limit of bytes', async () => {
    const [, , decoder] = await compiled('monkey/tiny-896', 'fp32');
    if (decoder === undefined) throw new Error('no decoder');
    const model = cloneModel(decoder.component.model);
    for (const node of model.graph.nodes()) node.metadata.clear();
    expect(findCuts(model.graph, { limitBytes: unlimited, at: 'blocks' })).toEqual([]);
    // A layer has 462 508 bytes of weights, 200 000 of them in attention.
    for (const limitBytes of [480_000, 300_000]) {
      const cuts = findCuts(model.graph, { limitBytes, at: 'size' });
      for (const cut of cuts) expect(cut).toHaveLength(1);
      const parts = cutModel(model, cuts);
      expect(parts.length).toBeGreaterThan(1_180_000 / limitBytes);
      for (const part of parts) expect(part.weightBytes).toBeLessThanOrEqual(limitBytes);
    }
    expect(findCuts(model.graph, { limitBytes: unlimited, at: 'size' })).toEqual([]);
  });
});

/** Three products, one after the other; with `skip` something of the first is added to the last. */
function chain(skip: boolean, rename = (name: string): string => name): Model {
  const b = new GraphBuilder('chain', inferNode);
  const weight = (name: string): Value =>
    b.weight(name, inlineTensor('float32', [512, 1024], new Uint8Array(4 * 512 * 1024)));
  const back = (name: string): Value =>
    b.weight(name, inlineTensor('float32', [1024, 512], new Uint8Array(4 * 512 * 1024)));
  const x = b.input('x', tensorType('float32', ['n', 512]));
  const first = b.op('MatMul', [x, weight('w1')], { name: rename('first') });
  const second = b.op('MatMul', [first, back('w2')], { name: 'second' });
  const third = b.op('MatMul', [second, weight('w3')], { name: 'third' });
  b.output('y', skip ? b.op('Add', [third, b.op('Tanh', [first])]) : third);
  return createModel(b.graph, 20);
}

describe('a graph that is not the one that the cuts are of', () => {
  const cuts = findCuts(chain(false).graph, { limitBytes: 2 << 20, at: 'size' });

  it('keeps those that separate it', () => {
    expect(cuts).toEqual([['first_out'], ['second_out']]);
    expect(commonCuts(cuts, [chain(false).graph])).toEqual(cuts);
  });

  it('loses those that another value crosses', () => {
    expect(commonCuts(cuts, [chain(true).graph])).toEqual([['first_out']]);
    const parts = cutModel(chain(true), [['first_out']]);
    expect(parts.map(({ nodes }) => nodes)).toEqual([1, 4]);
    expect(parts[1]?.model.graph.inputs.map((value) => value.name)).toEqual(['first_out']);
  });

  it('loses those whose value it has not', () => {
    expect(commonCuts(cuts, [chain(false).graph, chain(false, () => 'other').graph])).toEqual([
      ['second_out'],
    ]);
  });
});
