/** Attention as architectures spell it, fused, in onnxruntime: towers, masks, decoders with their cache. */
import { describe, expect, it } from 'vitest';
import { attend, attention, splitHeads, swapHeads } from '../../src/architectures/blocks/attention.ts';
import { decoderSlots } from '../../src/architectures/blocks/decoder-slots.ts';
import { cacheInputs, cacheOutputs, extendCache } from '../../src/architectures/blocks/kv-cache.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { printModel } from '../../src/graph/print.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { census } from '../../src/passes/census.ts';
import { float32Value, int64Value } from '../../src/runtime/values.ts';
import { targets } from '../../src/targets/registry.ts';
import { inlineTensor } from '../../src/tensor/tensor.ts';
import { buildModel, randomInput, runModel } from '../support/run-model.ts';
import { countOps, difference, type Feeds, runPasses } from './run-pass.ts';

const [heads, headDim] = [2, 8];
const width = heads * headDim;
const fused = 'com.microsoft::MultiHeadAttention';

function towerModel(): Model {
  return buildModel((b) => {
    const x = b.input('x', tensorType('float32', ['batch', 5, width]));
    const y = b.input('y', tensorType('float32', ['batch', 7, width]));
    b.output(
      'mixed',
      b.scope('attn', () => attention(b, { q: x, k: y, v: y, heads, headDim })),
    );
  });
}

/** One decoder layer; q and k are turned between the split and the swap, as rotary does. */
function decoderModel(change: (b: GraphBuilder, k: Value) => Value = (_, k) => k): Model {
  return buildModel((b) => {
    const x = b.input('inputs_embeds', tensorType('float32', ['batch_size', 'sequence_length', width]));
    const mask = b.input('attention_mask', tensorType('int64', ['batch_size', 'total_sequence_length']));
    const past = cacheInputs(b, 0, heads, headDim);
    const slots = b.scope('slots', () => decoderSlots(b, x, mask));
    b.scope('layer', () => {
      const split = (value: Value): Value => splitHeads(b, value, heads, headDim);
      const q = swapHeads(b, b.op('Neg', [split(x)]));
      const k = swapHeads(b, b.op('Tanh', [split(x)]));
      const v = swapHeads(b, split(b.op('Sigmoid', [x])));
      const cache = extendCache(b, past, k, v);
      const inputs = { q, k: change(b, cache.key), v: cache.value, heads, headDim, mask: slots.mask };
      b.output('y', attend(b, inputs));
      cacheOutputs(b, [cache], heads, headDim);
    });
  });
}

/** Attention that the graph is known to mean, in one operator or spelled out. */
function found(model: Model): number {
  return census(model).get('attention_blocks')?.found ?? 0;
}

/** Two rows, the first padded on the left; `past` slots are cached. */
function decoderFeeds(past: number, now: number): Feeds {
  const total = past + now;
  const mask = [...Array.from({ length: total }, (_, slot) => (slot < 2 ? 0 : 1)), ...Array(total).fill(1)];
  return {
    inputs_embeds: randomInput([2, now, width], 1),
    attention_mask: int64Value([2, total], mask),
    'past_key_values.0.key':
      past === 0
        ? float32Value([2, heads, 0, headDim], new Float32Array(0))
        : randomInput([2, heads, past, headDim], 2),
    'past_key_values.0.value':
      past === 0
        ? float32Value([2, heads, 0, headDim], new Float32Array(0))
        : randomInput([2, heads, past, headDim], 3),
  };
}

describe('a vision tower', () => {
  it('runs in one operator between projections', async () => {
    const model = towerModel();
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats).toEqual({ attention: 1, caches: 0 });
    expect(record.notes).toEqual([]);
    expect([...model.graph.nodes()].map((node) => node.op)).toEqual([fused]);
    const feeds = { x: randomInput([3, 5, width], 1), y: randomInput([3, 7, width], 2) };
    expect(await difference(model, towerModel(), feeds)).toBeLessThan(1e-5);
    await expect(printModel(model)).toMatchFileSnapshot('golden/fuse-attention-tower.txt');
  });

  it('takes the scale from the graph, and one where there is none', async () => {
    const make = (scale: number | undefined): Model =>
      buildModel((b) => {
        const x = b.input('x', tensorType('float32', [2, heads, 5, headDim]));
        const q = scale === undefined ? x : b.op('Mul', [b.scalar(scale), x]);
        const keys = b.op('Transpose', [x], { attributes: { perm: [0, 1, 3, 2] } });
        const weights = b.op('Softmax', [b.op('MatMul', [q, keys])]);
        b.output('y', b.op('MatMul', [weights, x]));
      });
    const feeds = { x: randomInput([2, heads, 5, headDim], 1, 0.7) };
    for (const scale of [undefined, 0.2]) {
      const model = make(scale);
      expect((await runPasses(model, 'fuse-attention')).record.stats.attention).toBe(1);
      expect(await difference(model, make(scale), feeds)).toBeLessThan(1e-5);
    }
    expect(await difference(make(undefined), make(0.2), feeds)).toBeGreaterThan(0.1);
  });
});

describe('a decoder', () => {
  it.each([
    ['prefill', 0, 6],
    ['decode', 5, 1],
    ['several tokens after a cache', 4, 3],
  ])('%s: cache and mask go inside', async (_, past, now) => {
    const model = decoderModel();
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats).toEqual({ attention: 1, caches: 1 });
    expect(countOps(model, 'Softmax') + countOps(model, 'Concat')).toBe(0);
    expect(model.graph.outputs.map(({ name }) => name)).toEqual(['y', 'present.0.key', 'present.0.value']);
    expect(model.graph.outputs[1]?.type).toEqual(decoderModel().graph.outputs[1]?.type);
    expect(await difference(model, decoderModel(), decoderFeeds(past, now))).toBeLessThan(1e-5);
    if (past === 0) await expect(printModel(model)).toMatchFileSnapshot('golden/fuse-attention-decoder.txt');
  });

  it('leaves the cache outside where the keys change after it', async () => {
    const change = (b: GraphBuilder, k: Value): Value => b.op('Neg', [k]);
    const model = decoderModel(change);
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats).toEqual({ attention: 1, caches: 0 });
    expect(countOps(model, 'Concat')).toBe(2);
    expect(await difference(model, decoderModel(change), decoderFeeds(5, 2))).toBeLessThan(1e-5);
  });

  it('leaves the cache outside where something else reads it first', async () => {
    const change = (b: GraphBuilder, k: Value): Value => {
      b.output('seen', b.op('Neg', [k]));
      return k;
    };
    const model = decoderModel(change);
    expect((await runPasses(model, 'fuse-attention')).record.stats).toEqual({ attention: 1, caches: 0 });
    expect(await difference(model, decoderModel(change), decoderFeeds(5, 2))).toBeLessThan(1e-5);
  });

  it('stays finite where a row sees nothing', async () => {
    const model = decoderModel();
    await runPasses(model, 'fuse-attention');
    const result = (await runModel(model, decoderFeeds(0, 4))).get('y');
    expect(result?.data.every((value) => Number.isFinite(Number(value)))).toBe(true);
  });
});

describe('what is not fused, and why', () => {
  it('a mask that widens the scores', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, heads, 5, headDim]));
      const mask = b.input('mask', tensorType('float32', [3, 1, 1, 5, 5]));
      const keys = b.op('Transpose', [x], { attributes: { perm: [0, 1, 3, 2] } });
      const weights = b.op('Softmax', [b.op('Add', [b.op('MatMul', [x, keys]), mask])]);
      b.output('y', b.op('MatMul', [weights, x]));
    });
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats).toEqual({ attention: 0, caches: 0, plain: 1 });
    expect(record.notes).toEqual([
      'attention at 1 places, first MatMul_1, is not fused: Add makes more scores than the product gives',
    ]);
    expect(found(model)).toBe(1);
  });

  interface Parts {
    readonly q: Value;
    readonly scores: Value;
    readonly v: Value;
  }
  /** softmax(scores) · v with something else on the way. */
  const spelled = (
    scores: (b: GraphBuilder, parts: Parts) => Value,
    weights: (b: GraphBuilder, weights: Value) => Value = (_, value) => value,
  ): Model =>
    buildModel((b) => {
      const [q, v] = [
        b.input('q', tensorType('float32', [2, heads, 5, headDim])),
        b.input('v', tensorType('float32', [2, heads, 5, headDim])),
      ];
      const keys = b.op('Transpose', [v], { attributes: { perm: [0, 1, 3, 2] } });
      const parts = { q, scores: b.op('MatMul', [q, keys]), v };
      b.output('y', b.op('MatMul', [weights(b, b.op('Softmax', [scores(b, parts)])), v]));
    });
  const rounded = (b: GraphBuilder, value: Value): Value => {
    const step = [b.scalar(0.01), b.weight('zero', inlineTensor('uint8', [], Uint8Array.of(128)))];
    return b.op('DequantizeLinear', [b.op('QuantizeLinear', [value, ...step]), ...step]);
  };
  const condition = (b: GraphBuilder): Value => b.input('seen', tensorType('bool', [5, 5]));

  it.each<readonly [string, Model]>([
    [
      'its scores are capped by tanh',
      spelled((b, { scores }) => b.op('Mul', [b.op('Tanh', [scores]), b.scalar(50)])),
    ],
    ['its scores are quantized', spelled((b, { scores }) => rounded(b, scores))],
    [
      'its weights are quantized',
      spelled(
        (_, { scores }) => scores,
        (b, weights) => rounded(b, weights),
      ),
    ],
    [
      'its weights are multiplied after the Softmax',
      spelled(
        (_, { scores }) => scores,
        (b, weights) => b.op('Mul', [weights, b.input('gate', tensorType('float32', [5, 5]))]),
      ),
    ],
    [
      'its scores are masked by -100, which others may reach',
      spelled((b, { scores }) => b.op('Where', [condition(b), scores, b.scalar(-100)])),
    ],
  ])('%s: it is known, and stays', async (reason, model) => {
    const nodes = [...model.graph.nodes()].map(({ op }) => op);
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats).toEqual({ attention: 0, caches: 0, plain: 1 });
    expect(record.notes).toEqual([`attention at 1 places, first MatMul_1, is not fused: ${reason}`]);
    expect([...model.graph.nodes()].map(({ op }) => op)).toEqual(nodes);
    expect(found(model)).toBe(1);
  });

  it('scores that another node reads, too', async () => {
    const model = spelled((b, { scores }) => {
      b.output('seen', b.op('Neg', [scores]));
      return scores;
    });
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.notes[0]).toMatch(/ is also read by Neg/);
    expect([record.stats.attention, found(model)]).toEqual([0, 1]);
  });

  it('a row of NaN that counts as something else than zeros', async () => {
    const model = spelled(
      (_, { scores }) => scores,
      (b, weights) => b.op('Where', [b.op('IsNaN', [weights]), b.scalar(1), weights]),
    );
    expect((await runPasses(model, 'fuse-attention')).record.stats.attention).toBe(0);
  });

  it('weights whose matrices are reshaped', async () => {
    const model = spelled(
      (_, { scores }) => scores,
      (b, weights) => b.op('Reshape', [weights, b.int64([1, heads, 10, 5])]),
    );
    model.graph.setType(model.graph.outputs[0] as Value, undefined);
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats.attention).toBe(0);
  });

  it('a router: its scores are those of a projection', async () => {
    const model = spelled((b, { q }) =>
      b.op('MatMul', [
        q,
        b.weight('router', inlineTensor('float32', [headDim, 5], new Uint8Array(headDim * 20))),
      ]),
    );
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.changed).toBe(false);
    expect(record.notes[0]).toMatch(/comes from no product of queries and keys/);
    expect(found(model)).toBe(0);
  });

  it('keys that the product broadcasts over a batch', async () => {
    const model = buildModel((b) => {
      const q = b.input('q', tensorType('float32', ['batch', heads, 5, headDim]));
      const k = b.input('k', tensorType('float32', [1, heads, 5, headDim]));
      const keys = b.op('Transpose', [k], { attributes: { perm: [0, 1, 3, 2] } });
      b.output('y', b.op('MatMul', [b.op('Softmax', [b.op('MatMul', [q, keys])]), k]));
    });
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.notes[0]).toMatch(/its batches may differ: batch and 1/);
    expect(found(model)).toBe(1);
  });

  it('sums that branch without end take no time', async () => {
    const model = buildModel((b) => {
      let x = b.input('x', tensorType('float32', [2, 5, 5]));
      for (let depth = 0; depth < 200; depth += 1) x = b.op('Add', [x, x]);
      const condition = b.op('Where', [b.input('seen', tensorType('bool', [5, 5])), x, b.scalar(-1e9)]);
      b.output('y', b.op('MatMul', [b.op('Softmax', [condition]), x]));
    });
    expect((await runPasses(model, 'fuse-attention')).record.stats.attention).toBe(0);
  });

  it('a softmax over another axis', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, heads, 5, headDim]));
      const keys = b.op('Transpose', [x], { attributes: { perm: [0, 1, 3, 2] } });
      const weights = b.op('Softmax', [b.op('MatMul', [x, keys])], { attributes: { axis: 2 } });
      b.output('y', b.op('MatMul', [weights, x]));
    });
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.notes).toEqual([
      'no attention at 1 products with a Softmax, first MatMul_1: Softmax is not over the last axis',
    ]);
  });

  it('weights that are read elsewhere, and a Softmax of nothing', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', tensorType('float32', [2, heads, 5, headDim]));
      const keys = b.op('Transpose', [x], { attributes: { perm: [0, 1, 3, 2] } });
      const weights = b.op('Softmax', [b.op('MatMul', [x, keys])]);
      b.output('y', b.op('MatMul', [weights, x]));
      b.output('weights', weights);
    });
    expect((await runPasses(model, 'fuse-attention')).record.notes[0]).toMatch(
      /weights is also an output of the graph/,
    );
    expect(found(model)).toBe(1);
    const head = buildModel((b) => {
      b.output('y', b.op('Softmax', [b.input('x', tensorType('float32', [2, 3]))]));
    });
    expect((await runPasses(head, 'fuse-attention')).record.notes).toEqual([
      '1 Softmax, among them Softmax, belong to no attention',
    ]);
  });

  it('a target without the operator', async () => {
    const without = { id: 'bare', title: 'Bare', kernels: [], support: {} };
    const model = towerModel();
    const { record } = await runPasses(model, 'fuse-attention', { targets: [...targets, without] });
    expect(record.stats).toEqual({ attention: 0, caches: 0, plain: 1 });
    expect(found(model)).toBe(1);
    expect(record.notes[0]).toMatch(/MultiHeadAttention on bare: no kernel/);
  });
});
