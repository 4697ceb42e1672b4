/** Operands of attention in the layouts of exporters: merged and split axes, shared heads, caches, the standard operator. */
import { describe, expect, it } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { type Dim, tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { float32Value, type RunTensor } from '../../src/runtime/values.ts';
import { onnxruntimeCpu } from '../../src/targets/onnxruntime-cpu.ts';
import { buildModel, randomInput } from '../support/run-model.ts';
import { countOps, difference, type Feeds, runPasses } from './run-pass.ts';

/** N sequences, h heads of size d (values: e), S queries, T keys. */
const [N, h, S, T, d, e] = [2, 4, 5, 7, 8, 6];
const mha = 'com.microsoft::MultiHeadAttention';
const perm = (order: readonly number[]) => ({ attributes: { perm: order } });

function modelOf(
  body: (b: GraphBuilder, input: (name: string, shape: readonly Dim[]) => Value) => void,
): Model {
  const model = buildModel((b) => body(b, (name, shape) => b.input(name, tensorType('float32', shape))));
  model.opsetImports.set('com.microsoft', 1);
  model.opsetImports.set('', 23);
  return model;
}

const weigh = (b: GraphBuilder, scores: Value): Value => b.op('Softmax', [scores]);

interface Expected {
  readonly caches?: number;
  /** Nodes of the result by operator, the attention itself left out. */
  readonly beside?: Readonly<Record<string, number>>;
}

async function expectFused(
  make: () => Model,
  feeds: Feeds,
  { caches = 0, beside }: Expected = {},
): Promise<Model> {
  const model = make();
  const { record } = await runPasses(model, 'fuse-attention');
  expect(record.notes).toEqual([]);
  expect(record.stats).toEqual({ attention: 1, caches });
  expect([countOps(model, 'Softmax'), countOps(model, mha), countOps(model, 'Attention')]).toEqual([0, 1, 0]);
  expect(await difference(model, make(), feeds)).toBeLessThan(2e-6);
  if (beside !== undefined) {
    const others = [...model.graph.nodes()].map(({ op }) => op).filter((op) => op !== mha);
    expect(Object.fromEntries(others.map((op) => [op, countOps(model, op)]))).toEqual(beside);
  }
  return model;
}

describe('operands', () => {
  it('keys that are turned round in one step', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const part = (name: string, slots: string, order: readonly number[], size = d): Value =>
          b.op(
            'Transpose',
            [b.op('Reshape', [input(name, ['N', slots, h * size]), b.int64([0, 0, h, size])])],
            perm(order),
          );
        const scores = b.op('MatMul', [part('q', 'S', [0, 2, 1, 3]), part('k', 'T', [0, 2, 3, 1])]);
        const y = b.op('MatMul', [weigh(b, scores), part('v', 'T', [0, 2, 1, 3], e)]);
        b.output('y', b.op('Reshape', [b.op('Transpose', [y], perm([0, 2, 1, 3])), b.int64([0, 0, h * e])]));
      });
    const feeds = {
      q: randomInput([N, S, h * d], 1, 0.5),
      k: randomInput([N, T, h * d], 2, 0.5),
      v: randomInput([N, T, h * e], 3),
    };
    await expectFused(make, feeds, { beside: {} });
  });

  const split: Feeds = {
    q: randomInput([N, h, S, d], 1, 0.5),
    k: randomInput([N, h, T, d], 2, 0.5),
    v: randomInput([N, h, T, d], 3),
  };

  it('keys that go through three axes on their way', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [
          input('q', ['N', h, 'S', d]),
          input('k', ['N', h, 'T', d]),
          input('v', ['N', h, 'T', d]),
        ];
        const flat = b.op('Reshape', [
          k,
          b.op('Concat', [b.int64([-1]), b.op('Shape', [k], { attributes: { start: 2 } })], {
            attributes: { axis: 0 },
          }),
        ]);
        const turned = b.op('Transpose', [flat], perm([0, 2, 1]));
        const shape = b.op(
          'Concat',
          [b.int64([-1, h, d]), b.op('Shape', [k], { attributes: { start: 2, end: 3 } })],
          { attributes: { axis: 0 } },
        );
        const scores = b.op('MatMul', [q, b.op('Reshape', [turned, shape])]);
        b.output('y', b.op('MatMul', [weigh(b, scores), v]));
      });
    // Keys and values stand by heads: they are read so, and only queries and the result change places.
    await expectFused(make, split, { beside: { Reshape: 2, Transpose: 2 } });
  });

  it('heads merged into the batch, with a mask over both in between', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const flat = (name: string, slots: number): Value =>
          b.op('Reshape', [input(name, [N, h, slots, d]), b.int64([N * h, slots, d])]);
        const scores = b.op('MatMul', [flat('q', S), b.op('Transpose', [flat('k', T)], perm([0, 2, 1]))]);
        const apart = b.op('Reshape', [scores, b.int64([N, h, S, T])]);
        const masked = b.op('Add', [apart, input('mask', [N, 1, S, T])]);
        const weights = weigh(b, b.op('Reshape', [masked, b.int64([N * h, S, T])]));
        const y = b.op('Reshape', [b.op('MatMul', [weights, flat('v', T)]), b.int64([N, h, S, d])]);
        b.output('y', b.op('Reshape', [b.op('Transpose', [y], perm([0, 2, 1, 3])), b.int64([N, S, h * d])]));
      });
    await expectFused(make, { ...split, mask: randomInput([N, 1, S, T], 4) });
  });

  it('no heads at all', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [input('q', ['M', 'S', d]), input('k', ['M', 'T', d]), input('v', ['M', 'T', e])];
        const scores = b.op('MatMul', [q, b.op('Transpose', [k], perm([0, 2, 1]))]);
        const masked = b.op('Add', [scores, input('mask', ['M', 'S', 'T'])]);
        b.output('y', b.op('MatMul', [weigh(b, masked), v]));
      });
    const feeds = {
      q: randomInput([3, S, d], 1, 0.5),
      k: randomInput([3, T, d], 2, 0.5),
      v: randomInput([3, T, e], 3),
      mask: randomInput([3, S, T], 4),
    };
    await expectFused(make, feeds);
  });

  it('two axes', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [input('q', ['S', d]), input('k', ['T', d]), input('v', ['T', e])];
        b.output(
          'y',
          b.op('MatMul', [weigh(b, b.op('MatMul', [q, b.op('Transpose', [k], perm([1, 0]))])), v]),
        );
      });
    await expectFused(make, {
      q: randomInput([S, d], 1),
      k: randomInput([T, d], 2, 0.5),
      v: randomInput([T, e], 3),
    });
  });

  it('windows: masks of each window and each head', async () => {
    const [images, windows] = [2, 3];
    const make = (): Model =>
      modelOf((b, input) => {
        const part = (name: string, order: readonly number[]): Value =>
          b.op(
            'Transpose',
            [b.op('Reshape', [input(name, ['W', S, h * d]), b.int64([0, 0, h, d])])],
            perm(order),
          );
        const scores = b.op('MatMul', [part('q', [0, 2, 1, 3]), part('k', [0, 2, 3, 1])]);
        const relative = b.op('Add', [scores, input('relative', [1, h, S, S])]);
        const apart = b.op('Reshape', [relative, b.int64([-1, windows, h, S, S])]);
        const masked = b.op('Add', [apart, input('mask', [1, windows, 1, S, S])]);
        const weights = weigh(b, b.op('Reshape', [masked, b.int64([-1, h, S, S])]));
        b.output('y', b.op('MatMul', [weights, part('v', [0, 2, 1, 3])]));
      });
    const wide = [images * windows, S, h * d];
    await expectFused(make, {
      q: randomInput(wide, 1, 0.5),
      k: randomInput(wide, 2, 0.5),
      v: randomInput(wide, 3),
      relative: randomInput([1, h, S, S], 4),
      mask: randomInput([1, windows, 1, S, S], 5, 3),
    });
  });

  it('a grid whose rows and columns have biases of their own', async () => {
    const [rows, columns] = [2, 3];
    const slots = rows * columns;
    const make = (both: boolean) => (): Model =>
      modelOf((b, input) => {
        const part = (name: string): Value => input(name, [N * h, slots, d]);
        const scores = b.op('MatMul', [part('q'), b.op('Transpose', [part('k')], perm([0, 2, 1]))]);
        const apart = b.op('Reshape', [scores, b.int64([-1, rows, columns, rows, columns])]);
        const byRow = b.op('Unsqueeze', [input('rows', [N * h, rows, columns, rows]), b.int64([4])]);
        const some = b.op('Add', [apart, byRow]);
        const byColumn = (): Value =>
          b.op('Unsqueeze', [input('columns', [N * h, rows, columns, columns]), b.int64([3])]);
        const sum = both ? b.op('Add', [byColumn(), some]) : some;
        b.output(
          'y',
          b.op('MatMul', [weigh(b, b.op('Reshape', [sum, b.int64([-1, slots, slots])])), part('v')]),
        );
      });
    const part = (seed: number): RunTensor => randomInput([N * h, slots, d], seed, 0.5);
    const feeds = {
      q: part(1),
      k: part(2),
      v: part(3),
      rows: randomInput([N * h, rows, columns, rows], 4),
      columns: randomInput([N * h, rows, columns, columns], 5),
    };
    await expectFused(make(true), feeds);
    const { columns: _, ...fewer } = feeds;
    await expectFused(make(false), fewer);
  });

  it('queries that are one for the whole batch', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [
          input('q', [1, h, 'S', d]),
          input('k', ['N', h, 'T', d]),
          input('v', ['N', h, 'T', e]),
        ];
        const scores = b.op('MatMul', [q, b.op('Transpose', [k], perm([0, 1, 3, 2]))]);
        b.output('y', b.op('MatMul', [weigh(b, scores), v]));
      });
    await expectFused(make, {
      q: randomInput([1, h, S, d], 1, 0.5),
      k: randomInput([N, h, T, d], 2, 0.5),
      v: randomInput([N, h, T, e], 3),
    });
  });

  it('five axes, the heads behind the windows', async () => {
    const shape = [N, 3, S, h * d];
    const make = (): Model =>
      modelOf((b, input) => {
        const part = (name: string, order: readonly number[]): Value =>
          b.op('Transpose', [b.op('Reshape', [input(name, shape), b.int64([0, 0, 0, h, d])])], perm(order));
        const scores = b.op('MatMul', [part('q', [0, 1, 3, 2, 4]), part('k', [0, 1, 3, 4, 2])]);
        const y = b.op('MatMul', [weigh(b, scores), part('v', [0, 1, 3, 2, 4])]);
        b.output(
          'y',
          b.op('Reshape', [b.op('Transpose', [y], perm([0, 1, 3, 2, 4])), b.int64([0, 0, 0, h * d])]),
        );
      });
    const feeds = { q: randomInput(shape, 1, 0.5), k: randomInput(shape, 2, 0.5), v: randomInput(shape, 3) };
    const model = await expectFused(make, feeds);
    expect(countOps(model, 'Transpose')).toBe(0);
  });

  it('values on the left of transposed weights', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [
          input('q', ['N', h, d, 'S']),
          input('k', ['N', h, d, 'S']),
          input('v', ['N', h, e, 'S']),
        ];
        const weights = weigh(b, b.op('MatMul', [b.op('Transpose', [q], perm([0, 1, 3, 2])), k]));
        b.output('y', b.op('MatMul', [v, b.op('Transpose', [weights], perm([0, 1, 3, 2]))]));
      });
    await expectFused(make, {
      q: randomInput([N, h, d, S], 1, 0.5),
      k: randomInput([N, h, d, S], 2, 0.5),
      v: randomInput([N, h, e, S], 3),
    });
  });
});

describe('projections that are computed as one', () => {
  const x = randomInput([N, S, 3 * h * d], 1, 0.5);
  const attend = (b: GraphBuilder, parts: readonly (Value | undefined)[]): void => {
    const [q, k, v] = parts;
    if (q === undefined || k === undefined || v === undefined) throw new Error('three parts');
    const weights = weigh(b, b.op('MatMul', [q, b.op('Transpose', [k], perm([0, 1, 3, 2]))]));
    const y = b.op('Transpose', [b.op('MatMul', [weights, v])], perm([0, 2, 1, 3]));
    b.output('y', b.op('Reshape', [y, b.int64([0, 0, h * d])]));
  };

  it('queries, keys and values outermost, gathered', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const apart = b.op('Reshape', [input('x', ['N', 'S', 3 * h * d]), b.int64([0, 0, 3, h, d])]);
        const turned = b.op('Transpose', [apart], perm([2, 0, 3, 1, 4]));
        attend(
          b,
          [0, 1, 2].map((part) => b.op('Gather', [turned, b.int64([part], [])])),
        );
      });
    await expectFused(make, { x }, { beside: { Split: 1 } });
  });

  it('split off and squeezed', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const apart = b.op('Reshape', [input('x', ['N', 'S', 3 * h * d]), b.int64([0, 0, 3, h, d])]);
        const turned = b.op('Transpose', [apart], perm([2, 0, 3, 1, 4]));
        const parts = b.ops('Split', [turned], 3, { attributes: { axis: 0, num_outputs: 3 } });
        attend(
          b,
          parts.map((part) => b.op('Squeeze', [part, b.int64([0])])),
        );
      });
    await expectFused(make, { x }, { beside: { Split: 1 } });
  });

  it('heads outermost', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const apart = b.op('Reshape', [input('x', ['N', 'S', 3 * h * d]), b.int64([0, 0, h, 3, d])]);
        const turned = b.op('Transpose', [apart], perm([3, 0, 2, 1, 4]));
        attend(
          b,
          [0, 1, 2].map((part) => b.op('Gather', [turned, b.int64([part], [])])),
        );
      });
    await expectFused(make, { x }, { beside: { Reshape: 4, Gather: 3 } });
  });

  it('products as Einsum', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, ['N', 'S', h, d]));
        if (q === undefined || k === undefined || v === undefined) throw new Error('three parts');
        const scores = b.op('Einsum', [q, k], { attributes: { equation: 'bqhd,bkhd->bhqk' } });
        b.output('y', b.op('Einsum', [weigh(b, scores), v], { attributes: { equation: 'bhqk,bkhd->bqhd' } }));
      });
    const feeds = Object.fromEntries(
      ['q', 'k', 'v'].map((name, seed) => [name, randomInput([N, S, h, d], seed + 1)]),
    );
    await expectFused(make, feeds, { beside: { Reshape: 4 } });
  });

  it('an Einsum that is no product of matrices stays', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const equation = { attributes: { equation: 'bhqd,qkd->bhqk' } };
        b.output(
          'y',
          weigh(b, b.op('Einsum', [input('x', [N, h, S, d]), input('relative', [S, T, d])], equation)),
        );
      });
    const model = make();
    expect((await runPasses(model, 'fuse-attention')).record.changed).toBe(false);
  });
});

describe('heads that share keys', () => {
  const [groups, keyHeads] = [2, h / 2];
  const ways: Record<string, (b: GraphBuilder, x: Value) => Value> = {
    Expand: (b, x) => b.op('Expand', [x, b.int64([1, 1, groups, 1, 1])]),
    Tile: (b, x) => b.op('Tile', [x, b.int64([1, 1, groups, 1, 1])]),
    Concat: (b, x) => b.op('Concat', [x, x], { attributes: { axis: 2 } }),
  };
  const decoder =
    (past: boolean, way = 'Expand') =>
    (): Model =>
      modelOf((b, input) => {
        const q = b.op(
          'Transpose',
          [b.op('Reshape', [input('q', ['N', 'S', h * d]), b.int64([0, 0, h, d])])],
          perm([0, 2, 1, 3]),
        );
        const [k, v] = ['k', 'v'].map((name) => {
          const now = input(name, ['N', keyHeads, 'S', d]);
          if (!past) return now;
          const whole = b.op('Concat', [input(`past.${name}`, ['N', keyHeads, 'P', d]), now], {
            attributes: { axis: -2 },
          });
          b.output(`present.${name}`, whole);
          return whole;
        });
        if (k === undefined || v === undefined) throw new Error('two operands');
        const repeat = (_: GraphBuilder, x: Value): Value => {
          const wide = ways[way]?.(b, b.op('Unsqueeze', [x, b.int64([2])]));
          if (wide === undefined) throw new Error(way);
          return b.op('Reshape', [wide, b.int64([0, h, -1, d])]);
        };
        const scores = b.op('MatMul', [q, b.op('Transpose', [repeat(b, k)], perm([0, 1, 3, 2]))]);
        const masked = b.op('Add', [scores, input('mask', ['N', 1, 'S', past ? 'P + S' : 'S'])]);
        const y = b.op('MatMul', [weigh(b, masked), repeat(b, v)]);
        b.output('y', b.op('Reshape', [b.op('Transpose', [y], perm([0, 2, 1, 3])), b.int64([0, 0, h * d])]));
      });
  const now: Feeds = {
    q: randomInput([N, S, h * d], 1, 0.5),
    k: randomInput([N, keyHeads, S, d], 2, 0.5),
    v: randomInput([N, keyHeads, S, d], 3),
  };

  it.each([
    ['a prefill', 0],
    ['tokens after it', 6],
  ])('with their cache: %s', async (_, past) => {
    const model = await expectFused(
      decoder(true),
      {
        ...now,
        'past.k': randomPast(past, 4),
        'past.v': randomPast(past, 5),
        mask: randomInput([N, 1, S, past + S], 6),
      },
      { caches: 1 },
    );
    expect(countOps(model, 'Concat')).toBe(0);
    expect([...model.graph.nodes()].find(({ op }) => op === mha)?.int('num_heads')).toBe(keyHeads);
  });

  it.each(Object.keys(ways))('repeated by %s', async (way) => {
    const feeds = {
      ...now,
      'past.k': randomPast(6, 4),
      'past.v': randomPast(6, 5),
      mask: randomInput([N, 1, S, 6 + S], 6),
    };
    await expectFused(decoder(true, way), feeds, { caches: 1 });
  });

  it('not repeated, but two in turn', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k] = [input('q', ['N', h, 'S', d]), input('k', ['N', keyHeads, 'T', d])];
        const one = b.op('Unsqueeze', [k, b.int64([2])]);
        const both = b.op('Concat', [one, b.op('Neg', [one])], { attributes: { axis: 2 } });
        const keys = b.op('Reshape', [both, b.int64([0, h, -1, d])]);
        const scores = b.op('MatMul', [q, b.op('Transpose', [keys], perm([0, 1, 3, 2]))]);
        b.output('y', b.op('MatMul', [weigh(b, scores), keys]));
      });
    await expectFused(make, {
      q: randomInput([N, h, S, d], 1, 0.5),
      k: randomInput([N, keyHeads, T, d], 2, 0.5),
    });
  });

  it('without a cache', async () => {
    await expectFused(decoder(false), { ...now, mask: randomInput([N, 1, S, S], 6) });
  });

  it('one for all, broadcast by the product', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [
          input('q', ['N', h, 'S', d]),
          input('k', ['N', 1, 'T', d]),
          input('v', ['N', 1, 'T', d]),
        ];
        const scores = b.op('MatMul', [q, b.op('Transpose', [k], perm([0, 1, 3, 2]))]);
        b.output('y', b.op('MatMul', [weigh(b, scores), v]));
      });
    await expectFused(make, {
      q: randomInput([N, h, S, d], 1, 0.5),
      k: randomInput([N, 1, T, d], 2, 0.5),
      v: randomInput([N, 1, T, d], 3),
    });
  });

  function randomPast(length: number, seed: number): RunTensor {
    const shape = [N, keyHeads, length, d];
    return length === 0 ? float32Value(shape, new Float32Array(0)) : randomInput(shape, seed, 0.5);
  }
});

describe('Attention of opset 23', () => {
  const dead = Array.from({ length: N * S * T }, (_, index) => {
    const [slot, query, row] = [index % T, Math.floor(index / T) % S, Math.floor(index / T / S)];
    return row > 0 || (slot > 1 && query !== 2);
  });
  const boolMask = { dtype: 'bool', shape: [N, 1, S, T], data: Uint8Array.from(dead, Number) } as RunTensor;

  it('four axes, shared heads, a mask that hides a whole row', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const mask = b.input('mask', tensorType('bool', ['N', 1, 'S', 'T']));
        const operands = [
          input('q', ['N', h, 'S', d]),
          input('k', ['N', 2, 'T', d]),
          input('v', ['N', 2, 'T', d]),
        ];
        b.output('y', b.op('Attention', [...operands, mask], { attributes: { scale: float(0.4) } }));
      });
    await expectFused(make, {
      q: randomInput([N, h, S, d], 1),
      k: randomInput([N, 2, T, d], 2),
      v: randomInput([N, 2, T, d], 3),
      mask: boolMask,
    });
  });

  it('three axes, causal, with the scale that it has by itself', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const operands = ['q', 'k', 'v'].map((name) => input(name, ['N', 'S', h * d]));
        const attributes = { q_num_heads: h, kv_num_heads: h, is_causal: 1 };
        b.output('y', b.op('Attention', operands, { attributes }));
      });
    const feeds = Object.fromEntries(
      ['q', 'k', 'v'].map((name, seed) => [name, randomInput([N, S, h * d], seed + 1)]),
    );
    await expectFused(make, feeds);
  });

  it('with its cache', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const operands = ['q', 'k', 'v'].map((name) => input(name, ['N', h, 'S', d]));
        const pasts = ['past.k', 'past.v'].map((name) => input(name, ['N', h, 'P', d]));
        const outputs = b.ops('Attention', [...operands, input('mask', ['S', 'P + S']), ...pasts], 3);
        for (const [index, name] of ['y', 'present.k', 'present.v'].entries()) {
          const value = outputs[index];
          if (value !== undefined) b.output(name, value);
        }
      });
    const part = (seed: number, length = S): RunTensor => randomInput([N, h, length, d], seed);
    await expectFused(
      make,
      {
        q: part(1),
        k: part(2),
        v: part(3),
        'past.k': part(4, 6),
        'past.v': part(5, 6),
        mask: randomInput([S, 6 + S], 6),
      },
      { caches: 1 },
    );
  });

  it('is what attention becomes for any runtime', async () => {
    const make = (): Model =>
      modelOf((b, input) => {
        const [q, k, v] = [
          input('q', ['N', h, 'S', d]),
          input('k', ['N', h, 'T', d]),
          input('v', ['N', h, 'T', e]),
        ];
        const seen = b.input('mask', tensorType('bool', ['N', 1, 'S', 'T']));
        const scores = b.op('Mul', [
          b.op('MatMul', [q, b.op('Transpose', [k], perm([0, 1, 3, 2]))]),
          b.scalar(0.4),
        ]);
        const weights = weigh(b, b.op('Where', [seen, scores, b.scalar(Number.NEGATIVE_INFINITY)]));
        const sound = b.op('Where', [b.op('IsNaN', [weights]), b.scalar(0), weights]);
        b.output('y', b.op('MatMul', [sound, v]));
      });
    const feeds = {
      q: randomInput([N, h, S, d], 1),
      k: randomInput([N, h, T, d], 2),
      v: randomInput([N, h, T, e], 3),
      mask: boolMask,
    };
    const model = make();
    const { record } = await runPasses(model, 'fuse-attention{target=generic}');
    expect(record.stats).toEqual({ attention: 1, caches: 0 });
    expect([countOps(model, 'Attention'), countOps(model, 'Softmax'), countOps(model, mha)]).toEqual([
      1, 0, 0,
    ]);
    expect(await difference(model, make(), feeds)).toBeLessThan(2e-6);
    const older = make();
    older.opsetImports.set('', 20);
    expect((await runPasses(older, 'fuse-attention{target=generic}')).record.stats).toMatchObject({
      attention: 0,
      plain: 1,
    });
  });

  it('stays where every target runs it, or what it does has no other operator', async () => {
    const make = (softcap: number): Model =>
      modelOf((b, input) => {
        const operands = ['q', 'k', 'v'].map((name) => input(name, ['N', h, 'S', d]));
        b.output('y', b.op('Attention', operands, { attributes: { softcap: float(softcap) } }));
      });
    expect((await runPasses(make(0), 'fuse-attention', { targets: [onnxruntimeCpu] })).record.changed).toBe(
      false,
    );
    expect((await runPasses(make(2), 'fuse-attention')).record.changed).toBe(false);
  });
});
