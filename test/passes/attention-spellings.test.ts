/** Attention in the spellings of exporters, fused and run in onnxruntime beside what it was made of. */
import { describe, expect, it } from 'vitest';
import { float } from '../../src/graph/attribute.ts';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { float32Value, type RunTensor } from '../../src/runtime/values.ts';
import { buildModel, randomInput } from '../support/run-model.ts';
import { countOps, difference, type Feeds, runPasses } from './run-pass.ts';

/** N sequences, h heads of size d, S queries, T keys. */
const [N, h, S, T, d] = [2, 4, 5, 7, 8];
const mha = 'com.microsoft::MultiHeadAttention';

interface Operands {
  /** [N, h, S, d], [N, h, T, d] twice; S and T are symbols. */
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
}

const perm = (order: readonly number[]) => ({ attributes: { perm: order } });
const swapped = (b: GraphBuilder, x: Value): Value => b.op('Transpose', [x], perm([0, 1, 3, 2]));
const lowest = -3.4028234663852886e38;

/** A model over q, k and v as projections give them, [N, S, h · d], with the heads taken apart. */
function headed(body: (b: GraphBuilder, operands: Operands) => Value, keyHeads = h): Model {
  const model = buildModel((b) => {
    const part = (name: string, slots: string, heads: number): Value => {
      const x = b.input(name, tensorType('float32', ['batch', slots, heads * d]));
      return b.op('Transpose', [b.op('Reshape', [x, b.int64([0, 0, heads, d])])], perm([0, 2, 1, 3]));
    };
    const operands = { q: part('q', 'S', h), k: part('k', 'T', keyHeads), v: part('v', 'T', keyHeads) };
    b.output('y', body(b, operands));
  });
  model.opsetImports.set('com.microsoft', 1);
  return model;
}

const projections: Feeds = {
  q: randomInput([N, S, h * d], 1),
  k: randomInput([N, T, h * d], 2),
  v: randomInput([N, T, h * d], 3),
};

/** softmax(scores) · v with what `change` makes of the scores. */
function attend(
  b: GraphBuilder,
  { q, k, v }: Operands,
  change: (scores: Value) => Value = (scores) => scores,
): Value {
  const scores = b.op('Mul', [b.op('MatMul', [q, swapped(b, k)]), b.scalar(0.35)]);
  return joined(b, b.op('MatMul', [b.op('Softmax', [change(scores)], { attributes: { axis: -1 } }), v]));
}

function joined(b: GraphBuilder, y: Value): Value {
  return b.op('Reshape', [b.op('Transpose', [y], perm([0, 2, 1, 3])), b.int64([0, 0, h * d])]);
}

function boolValue(shape: readonly number[], bits: readonly boolean[]): RunTensor {
  return { dtype: 'bool', shape, data: Uint8Array.from(bits, Number) } as RunTensor;
}

/** Fuses, and runs both: everything in one operator, the same numbers. */
async function expectFused(
  make: () => Model,
  feeds: Feeds,
  { attention = 1, caches = 0, limit = 2e-6 } = {},
): Promise<Model> {
  const model = make();
  const { record } = await runPasses(model, 'fuse-attention');
  expect(record.notes).toEqual([]);
  expect(record.stats).toEqual({ attention, caches });
  expect([countOps(model, 'Softmax'), countOps(model, mha)]).toEqual([0, attention]);
  expect(await difference(model, make(), feeds)).toBeLessThan(limit);
  return model;
}

describe('scales', () => {
  const scaled: Record<string, (b: GraphBuilder, operands: Operands) => Value> = {
    'after the product': (b, { q, k }) => b.op('Mul', [b.scalar(0.3), b.op('MatMul', [q, swapped(b, k)])]),
    'by division': (b, { q, k }) => b.op('Div', [b.op('MatMul', [q, swapped(b, k)]), b.scalar(2.5)]),
    'of the queries': (b, { q, k }) => b.op('MatMul', [b.op('Div', [q, b.scalar(2.5)]), swapped(b, k)]),
    'split between both': (b, { q, k }) =>
      b.op('MatMul', [b.op('Mul', [q, b.scalar(0.5)]), b.op('Mul', [swapped(b, k), b.scalar(0.7)])]),
    'before and after': (b, { q, k }) =>
      b.op('Div', [b.op('MatMul', [b.op('Mul', [q, b.scalar(0.5)]), swapped(b, k)]), b.scalar(1.5)]),
    none: (b, { q, k }) => b.op('MatMul', [q, swapped(b, k)]),
    'as the runtime fuses it': (b, { q, k }) =>
      b.op('FusedMatMul', [q, k], {
        domain: 'com.microsoft',
        attributes: { alpha: float(0.3), transA: 0, transB: 1 },
      }),
  };
  it.each(Object.keys(scaled))('%s', async (name) => {
    const make = (): Model =>
      headed((b, operands) => {
        const scores = scaled[name]?.(b, operands) ?? operands.q;
        return joined(b, b.op('MatMul', [b.op('Softmax', [scores]), operands.v]));
      });
    const model = await expectFused(make, projections);
    expect(model.graph.nodeCount).toBe(1);
  });

  it('a factor for each head stays with the queries', async () => {
    const make = (): Model =>
      headed((b, operands) => {
        const factor = b.op('Exp', [b.input('factor', tensorType('float32', [h, 1, 1]))]);
        return attend(b, operands, (scores) => b.op('Mul', [scores, factor]));
      });
    const model = await expectFused(make, { ...projections, factor: randomInput([h, 1, 1], 9) });
    expect(countOps(model, 'Mul')).toBe(1);
  });
});

describe('masks that are added', () => {
  const shapes: readonly (readonly (number | string)[])[] = [
    ['S', 'T'],
    ['T'],
    [1, 1, 'S', 'T'],
    ['batch', 1, 1, 'T'],
    ['batch', 1, 'S', 'T'],
    [h, 'S', 'T'],
    [1, h, 1, 'T'],
    ['batch', h, 'S', 'T'],
    ['S', 1],
    [],
  ];
  const sizes: Readonly<Record<string, number>> = { batch: N, S, T };
  it.each(shapes.map((shape) => [shape.join(',')] as const))('[%s]', async (text) => {
    const shape = shapes.find((each) => each.join(',') === text) ?? [];
    const make = (): Model =>
      headed((b, operands) => {
        const mask = b.input('mask', tensorType('float32', shape));
        return attend(b, operands, (scores) => b.op('Add', [mask, scores]));
      });
    const mask = randomInput(
      shape.map((dim) => (typeof dim === 'number' ? dim : (sizes[dim] ?? 0))),
      4,
      2,
    );
    await expectFused(make, { ...projections, mask });
  });

  it('several, one of them subtracted, at least some lowest number', async () => {
    const make = (): Model =>
      headed((b, operands) => {
        const relative = b.input('relative', tensorType('float32', [1, h, 'S', 'T']));
        const padding = b.input('padding', tensorType('float32', ['batch', 1, 1, 'T']));
        return attend(b, operands, (scores) => {
          const penalty = b.op('Mul', [padding, b.scalar(1e9)]);
          const masked = b.op('Sub', [b.op('Add', [scores, relative]), penalty]);
          return b.op('Max', [masked, b.scalar(lowest)]);
        });
      });
    await expectFused(make, {
      ...projections,
      relative: randomInput([1, h, S, T], 5),
      padding: float32Value(
        [N, 1, 1, T],
        Float32Array.from({ length: N * T }, (_, i) => (i < 3 ? 1 : 0)),
      ),
    });
  });

  it('scaled after they are added', async () => {
    const make = (): Model =>
      headed((b, operands) => {
        const mask = b.input('mask', tensorType('float32', ['S', 'T']));
        return attend(b, operands, (scores) => b.op('Div', [b.op('Add', [scores, mask]), b.scalar(3)]));
      });
    await expectFused(make, { ...projections, mask: randomInput([S, T], 4, 5) });
  });

  it('are prepared once for all layers', async () => {
    const make = (): Model =>
      headed((b, { q, k, v }) => {
        const mask = b.input('mask', tensorType('float32', ['batch', 1, 1, 'T']));
        const once = attend(b, { q, k, v }, (scores) => b.op('Add', [scores, mask]));
        const again = b.op('Transpose', [b.op('Reshape', [once, b.int64([0, 0, h, d])])], perm([0, 2, 1, 3]));
        return attend(b, { q: again, k, v }, (scores) => b.op('Add', [scores, mask]));
      });
    const mask = float32Value(
      [N, 1, 1, T],
      Float32Array.from({ length: N * T }, (_, i) => (i < 3 ? lowest : 0)),
    );
    const model = await expectFused(make, { ...projections, mask }, { attention: 2 });
    expect(countOps(model, 'Expand')).toBe(1);
  });

  it('a number that all of a row share changes nothing', async () => {
    const make = (): Model =>
      headed((b, operands) =>
        attend(b, operands, (scores) =>
          b.op('Sub', [scores, b.op('ReduceMax', [scores, b.int64([-1])], { attributes: { keepdims: 1 } })]),
        ),
      );
    expect((await expectFused(make, projections)).graph.nodeCount).toBe(1);
  });
});

describe('masks that select', () => {
  /** Slots 0 and 1 of the first sequence are hidden, and everything from its query 2. */
  const seen = Array.from({ length: N * S * T }, (_, index) => {
    const [slot, query, row] = [index % T, Math.floor(index / T) % S, Math.floor(index / T / S)];
    return row > 0 || (slot > 1 && query !== 2);
  });

  const selecting = (keep: boolean, fill: number, guarded: boolean) => (): Model =>
    headed((b, { q, k, v }) => {
      const condition = b.input('seen', tensorType('bool', ['batch', 1, 'S', 'T']));
      const scores = b.op('Mul', [b.op('MatMul', [q, swapped(b, k)]), b.scalar(0.35)]);
      const chosen = keep
        ? b.op('Where', [condition, scores, b.scalar(fill)])
        : b.op('Where', [b.op('Not', [condition]), b.scalar(fill), scores]);
      const weights = b.op('Softmax', [chosen]);
      const sound = guarded ? b.op('Where', [b.op('IsNaN', [weights]), b.scalar(0), weights]) : weights;
      return joined(b, b.op('MatMul', [sound, v]));
    });

  it.each([
    ['keeps where it holds', true, lowest, false],
    ['fills where it holds', false, lowest, false],
    ['fills with -1e4', true, -1e4, false],
    ['fills with -1e9, guarded', true, -1e9, true],
    ['fills with infinity, guarded', true, Number.NEGATIVE_INFINITY, true],
    ['fills with infinity where it holds, guarded', false, Number.NEGATIVE_INFINITY, true],
  ])('%s; a row that sees nothing stays as it was', async (_, keep, fill, guarded) => {
    const make = selecting(keep, fill, guarded);
    await expectFused(make, { ...projections, seen: boolValue([N, 1, S, T], seen) });
  });

  it('leaves scores alone that are filled with a number that others reach', async () => {
    const model = selecting(true, -100, false)();
    const { record } = await runPasses(model, 'fuse-attention');
    expect(record.stats.attention).toBe(0);
    expect(countOps(model, 'Softmax')).toBe(1);
  });
});
