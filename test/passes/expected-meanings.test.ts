import { describe, expect, it } from 'vitest';
import { activate } from '../../src/architectures/blocks/activation.ts';
import { attention } from '../../src/architectures/blocks/attention.ts';
import { rmsNorm } from '../../src/architectures/blocks/rms-norm.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { inferNode } from '../../src/graph/infer/infer.ts';
import { createModel, type Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import { meanings } from '../../src/passes/census.ts';
import { expectedMeanings, missedMeanings } from '../../src/passes/expected-meanings.ts';
import { metadataKeys } from '../../src/rewrite/rewriter.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { runPasses } from './run-pass.ts';

/** A norm, attention and two gates, as our architectures spell them. */
function block(): Model {
  const b = new GraphBuilder('block', inferNode);
  const x = b.input('x', tensorType('float32', ['batch', 6, 32]));
  const tensor = inlineTensor('float32', [32], new Uint8Array(new Float32Array(32).fill(0.5).buffer));
  const normed = b.scope('layer.0', () => rmsNorm(b, x, { weight: { name: 'norm', tensor }, epsilon: 1e-6 }));
  const mixed = b.scope('layer.0', () =>
    attention(b, { q: normed, k: normed, v: normed, heads: 2, headDim: 16 }),
  );
  b.output(
    'y',
    b.scope('mlp', () => activate(b, activate(b, mixed, 'silu'), 'quick-gelu')),
  );
  const model = createModel(b.graph, 20);
  model.opsetImports.set('com.microsoft', 1);
  return model;
}

const all = 'fold,fuse-rmsnorm,fuse-gelu,fuse-silu,fuse-rotary,fuse-attention,dead-code';

describe('what an architecture says that its graph calls', () => {
  it('is counted before passes, and found after them', async () => {
    const model = block();
    const expected = expectedMeanings(model);
    expect(Object.fromEntries(expected)).toEqual({
      rms_norm: 1,
      attention_blocks: 1,
      silu: 1,
      gelu_quick: 1,
    });
    for (const meaning of expected.keys()) expect(meanings).toContain(meaning);
    expect(missedMeanings('decoder', expected, model)).toHaveLength(4);
    await runPasses(model, all);
    expect(missedMeanings('decoder', expected, model)).toEqual([]);
  });

  it('is warned about where no pass recognised it, with the node that stays', async () => {
    const model = block();
    const expected = expectedMeanings(model);
    await runPasses(model, all.replace('fuse-attention,', ''));
    const [warning, ...others] = missedMeanings('decoder', expected, model);
    expect(others).toEqual([]);
    expect(warning).toMatchObject({
      code: 'VC3304',
      where: 'decoder',
      found: 'attention_blocks: 0 of 1, the first that is not: layer.0/Softmax',
    });
  });

  it('is told for calls that are gone altogether, too', async () => {
    const model = block();
    const expected = new Map([...expectedMeanings(model), ['silu', 3] as const, ['rotary', 2] as const]);
    await runPasses(model, all);
    expect(missedMeanings('decoder', expected, model).map(({ found }) => found)).toEqual([
      'silu: 1 of 3',
      'rotary: 0 of 2',
    ]);
    expect([...model.graph.nodes()].filter((node) => node.metadata.has(metadataKeys.calls))).toEqual([]);
  });
});
