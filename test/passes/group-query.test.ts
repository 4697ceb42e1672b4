/** GroupQueryAttention where causality is proven, and the proof where it is not. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../src/graph/builder.ts';
import type { Model } from '../../src/graph/model.ts';
import { type Dim, tensorType } from '../../src/graph/types.ts';
import type { Value } from '../../src/graph/value.ts';
import { causalObjection } from '../../src/passes/fusions/attention/causal.ts';
import { int64Value, toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from '../support/deviation.ts';
import { buildModel, randomInput, runModel } from '../support/run-model.ts';
import { missingWebgpu } from '../support/webgpu.ts';
import { countOps, difference, type Feeds, runPasses } from './run-pass.ts';

const [h, n, d] = [6, 2, 8];
const gqa = 'com.microsoft::GroupQueryAttention';
const mha = 'com.microsoft::MultiHeadAttention';

interface Spelled {
  readonly batch?: Dim;
  readonly slots?: Dim;
  readonly cache?: boolean;
  /** Of queries and keys, first and one past the last place each. */
  readonly mask: (b: GraphBuilder, q: Value, k: Value) => Value | undefined;
}

const size = (b: GraphBuilder, value: Value): Value =>
  b.op('Squeeze', [b.op('Shape', [value], { attributes: { start: 2, end: 3 } })]);

/** Places of keys [T], and of queries [S, 1]. */
function places(b: GraphBuilder, q: Value, k: Value): readonly [Value, Value] {
  const one = b.int64([1], []);
  const past = k.producer?.input(0);
  const first = past === undefined ? b.int64([0], []) : size(b, past);
  const total = b.op('Add', [first, size(b, q)]);
  const rows = b.op('Unsqueeze', [b.op('Range', [first, total, one]), b.int64([1])]);
  return [b.op('Range', [b.int64([0], []), total, one]), rows];
}

function modelOf({ batch = 'N', slots = 'S', cache = false, mask }: Spelled): Model {
  const model = buildModel((b) => {
    const input = (name: string, shape: readonly Dim[]): Value => b.input(name, tensorType('float32', shape));
    const q = input('q', [batch, h, slots, d]);
    const [k, v] = ['k', 'v'].map((name) => {
      const own = input(name, [batch, n, slots, d]);
      if (!cache) return own;
      const whole = b.op('Concat', [input(`past_${name}`, [batch, n, 'P', d]), own], {
        attributes: { axis: 2 },
      });
      b.output(`present_${name}`, whole);
      return whole;
    });
    if (k === undefined || v === undefined) throw new Error('keys and values');
    const [keys, values] = [k, v].map((value) => {
      const apart = b.op('Unsqueeze', [value, b.int64([2])]);
      const wide = b.op('Expand', [apart, b.int64([1, 1, h / n, 1, 1])]);
      return b.op('Reshape', [wide, b.int64([0, h, -1, d])]);
    });
    if (keys === undefined || values === undefined) throw new Error('keys and values');
    const scores = b.op('MatMul', [q, b.op('Transpose', [keys], { attributes: { perm: [0, 1, 3, 2] } })]);
    const scaled = b.op('Mul', [scores, b.float32([0.3], [])]);
    const bias = mask(b, q, k);
    const weights = b.op('Softmax', [bias === undefined ? scaled : b.op('Add', [scaled, bias])]);
    b.output('y', b.op('MatMul', [weights, values]));
  });
  model.opsetImports.set('com.microsoft', 1);
  return model;
}

const biasOf = (b: GraphBuilder, seen: Value): Value =>
  b.op('Where', [seen, b.float32([0], []), b.float32([-3.4e38], [])]);

const causal: Spelled['mask'] = (b, q, k) => biasOf(b, b.op('LessOrEqual', [...places(b, q, k)]));

function feeds(batch: number, slots: number, past?: number): Feeds {
  const own = {
    q: randomInput([batch, h, slots, d], 1),
    k: randomInput([batch, n, slots, d], 2),
    v: randomInput([batch, n, slots, d], 3),
  };
  return past === undefined
    ? own
    : {
        ...own,
        past_k: randomInput([batch, n, past, d], 4),
        past_v: randomInput([batch, n, past, d], 5),
      };
}

async function fused(spelled: Spelled): Promise<Model> {
  const model = modelOf(spelled);
  await runPasses(model, 'fuse-attention');
  return model;
}

async function expectGrouped(spelled: Spelled, all: readonly Feeds[]): Promise<void> {
  const model = await fused(spelled);
  expect([countOps(model, gqa), countOps(model, mha), countOps(model, 'Where')]).toEqual([1, 0, 0]);
  for (const each of all) expect(await difference(model, modelOf(spelled), each)).toBeLessThan(2e-6);
}

/** The largest difference of fused on WebGPU from plain on the CPU. */
async function expectOnWebgpu(spelled: Spelled, each: Feeds): Promise<void> {
  const found = await runModel(await fused(spelled), each, 'webgpu');
  for (const [name, value] of await runModel(modelOf(spelled), each)) {
    const [output, expected] = [found.get(name), toFloat32(value)];
    if (output === undefined) throw new Error(`no output ${name}`);
    expect(deviation(toFloat32(output), expected), name).toBeLessThan(1e-5);
  }
}

async function expectOther(spelled: Spelled, each: Feeds): Promise<void> {
  const model = await fused(spelled);
  expect([countOps(model, gqa), countOps(model, mha)]).toEqual([0, 1]);
  expect(await difference(model, modelOf(spelled), each)).toBeLessThan(2e-6);
}

describe('grouped heads', () => {
  it('in a prompt, by places', () => expectGrouped({ mask: causal }, [feeds(2, 5), feeds(1, 9)]));

  it('by a triangle that is stored', () => {
    const mask: Spelled['mask'] = (b) =>
      b.float32(
        Array.from({ length: 25 }, (_, at) => (at % 5 > Math.floor(at / 5) ? -1e9 : 0)),
        [1, 1, 5, 5],
      );
    return expectGrouped({ slots: 5, mask }, [feeds(2, 5)]);
  });

  it('of one sequence after a cache', () =>
    expectGrouped({ batch: 1, cache: true, mask: causal }, [feeds(1, 3, 4), feeds(1, 1, 7)]));

  it('of one token after a cache, without a mask', () =>
    expectGrouped({ slots: 1, cache: true, mask: () => undefined }, [feeds(2, 1, 4), feeds(1, 1, 6)]));

  it('are left alone with several tokens of several sequences', () =>
    expectOther({ cache: true, mask: causal }, feeds(2, 3, 4)));

  it('are left alone with padding', () => {
    const mask: Spelled['mask'] = (b, q, k) => {
      const kept = b.op('Cast', [b.input('kept', tensorType('int64', ['S']))], { attributes: { to: 9 } });
      return biasOf(b, b.op('And', [b.op('LessOrEqual', [...places(b, q, k)]), kept]));
    };
    return expectOther({ mask }, { ...feeds(2, 4), kept: int64Value([4], [0, 1, 1, 0]) });
  });

  it('are left alone one key off', () => {
    const mask: Spelled['mask'] = (b, q, k) => {
      const [keys, rows] = places(b, q, k);
      return biasOf(b, b.op('LessOrEqual', [keys, b.op('Add', [rows, b.int64([1])])]));
    };
    return expectOther({ mask }, feeds(2, 5));
  });

  it('are left alone with a window', () => {
    const mask: Spelled['mask'] = (b, q, k) => {
      const [keys, rows] = places(b, q, k);
      const near = b.op('Greater', [keys, b.op('Sub', [rows, b.int64([2])])]);
      return biasOf(b, b.op('And', [b.op('LessOrEqual', [keys, rows]), near]));
    };
    return expectOther({ mask }, feeds(2, 5));
  });

  it('are left alone where every key is seen', () => expectOther({ mask: () => undefined }, feeds(2, 5)));
});

describe('on WebGPU', () => {
  const cases: readonly (readonly [string, Spelled, Feeds])[] = [
    ['a prompt', { mask: causal }, feeds(2, 5)],
    ['one sequence after a cache', { batch: 1, cache: true, mask: causal }, feeds(1, 3, 4)],
    ['one token after a cache', { slots: 1, cache: true, mask: () => undefined }, feeds(2, 1, 4)],
  ];
  it.for(cases)('%s', async ([, spelled, each], context) => {
    const reason = await missingWebgpu();
    context.skip(reason !== undefined, `no WebGPU: ${reason}`);
    await expectOnWebgpu(spelled, each);
  });
});

describe('the reason', () => {
  const reasonOf = (make: (b: GraphBuilder) => Value): string | undefined => {
    let found: string | undefined;
    buildModel((b) => {
      const value = make(b);
      found = causalObjection([{ kind: 'add', value, negated: false, lead: ['N', h] }], 'S', 'S');
    });
    return found;
  };
  const triangle = (b: GraphBuilder, diagonal: number): Value => {
    const x = b.input('x', tensorType('float32', ['S', 'S']));
    const low = b.op('Expand', [b.float32([-1e9], []), b.op('Shape', [x])]);
    return b.op('Trilu', [low, b.int64([diagonal], [])], { attributes: { upper: 1 } });
  };

  it('is none for a triangle above the diagonal', () => {
    expect(reasonOf((b) => triangle(b, 1))).toBeUndefined();
  });
  it('is the diagonal', () => {
    expect(reasonOf((b) => triangle(b, 0))).toMatch(/starts at diagonal 0, not 1$/);
    expect(reasonOf((b) => triangle(b, 2))).toMatch(/starts at diagonal 2, not 1$/);
  });
  it('is what else the mask depends on', () => {
    expect(
      reasonOf((b) => b.op('Add', [triangle(b, 1), b.input('pad', tensorType('float32', ['S', 'S']))])),
    ).toBe('the mask depends on pad');
  });
  it('is a condition that closes keys that causality leaves open', () => {
    const never = (b: GraphBuilder): Value => {
      const later = b.op('Cast', [triangle(b, 1)], { attributes: { to: 9 } });
      return b.op('And', [b.op('Not', [later]), later]);
    };
    expect(reasonOf((b) => biasOf(b, never(b)))).toMatch(/^keys that are seen get a bias of -3\.39/);
  });
  it('is a bias that leaves later keys some weight', () => {
    expect(reasonOf((b) => b.op('Mul', [triangle(b, 1), b.float32([1e-8], [])]))).toMatch(
      /^later keys get a bias of -9\.99/,
    );
  });
});
