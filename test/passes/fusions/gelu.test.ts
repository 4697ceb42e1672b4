/** GELU in all its spellings, against the operators of onnxruntime. */
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../src/graph/builder.ts';
import { printModel } from '../../../src/graph/print.ts';
import type { Value } from '../../../src/graph/value.ts';
import { census } from '../../../src/passes/census.ts';
import { add, cast, div, fuse, half, type Make, mul, pow, rounded } from './spelled.ts';

const scaled = (b: GraphBuilder, x: Value, by: number): Value => mul(b, x, b.scalar(by));
const plusOne = (b: GraphBuilder, x: Value): Value => add(b, x, b.scalar(1));
const erf = (b: GraphBuilder, x: Value): Value => b.op('Erf', [div(b, x, b.scalar(Math.SQRT2))]);
const sqrt2OverPi = Math.sqrt(2 / Math.PI);
/** √(2/π) (x + 0.044715 x³) */
const bent = (b: GraphBuilder, x: Value): Value =>
  scaled(b, add(b, x, scaled(b, pow(b, x, b.scalar(3)), 0.044715)), sqrt2OverPi);
const tanh = (b: GraphBuilder, x: Value): Value => b.op('Tanh', [bent(b, x)]);

const exact: [string, Make][] = [
  ['(x · (1 + erf)) · 0.5', (b, x) => scaled(b, mul(b, x, plusOne(b, erf(b, x))), 0.5)],
  ['(0.5 · x) · (1 + erf)', (b, x) => mul(b, scaled(b, x, 0.5), plusOne(b, erf(b, x)))],
  ['x · (0.5 · (1 + erf))', (b, x) => mul(b, x, mul(b, b.scalar(0.5), plusOne(b, erf(b, x))))],
  ['x · (0.5 + 0.5 · erf)', (b, x) => mul(b, x, add(b, b.scalar(0.5), scaled(b, erf(b, x), 0.5)))],
  [
    'the argument multiplied',
    (b, x) => mul(b, plusOne(b, b.op('Erf', [scaled(b, x, Math.SQRT1_2)])), div(b, x, b.scalar(2))),
  ],
  [
    'a constant of shape [1]',
    (b, x) =>
      mul(
        b,
        mul(b, x, b.float32([0.5])),
        plusOne(b, b.op('Erf', [div(b, x, b.float32([Math.SQRT2 * (1 - 2e-6)]))])),
      ),
  ],
];

const tanhs: [string, Make][] = [
  ['0.5 · x · (1 + tanh)', (b, x) => mul(b, scaled(b, x, 0.5), plusOne(b, tanh(b, x)))],
  ['x · (0.5 · (1 + tanh))', (b, x) => mul(b, x, scaled(b, plusOne(b, tanh(b, x)), 0.5))],
  [
    'x³ as products',
    (b, x) => {
      const cube = mul(b, mul(b, x, x), x);
      const inner = scaled(b, add(b, scaled(b, cube, 0.044715), x), 0.7978845608);
      return scaled(b, mul(b, x, plusOne(b, b.op('Tanh', [inner]))), 0.5);
    },
  ],
  [
    'x · (1 + 0.044715 x²)',
    (b, x) => {
      const inner = mul(b, scaled(b, x, 0.79788456), plusOne(b, mul(b, scaled(b, x, 0.044715), x)));
      return mul(b, scaled(b, x, 0.5), plusOne(b, b.op('Tanh', [inner])));
    },
  ],
  [
    'the scale inside the sum',
    (b, x) => {
      const cube = scaled(b, pow(b, x, b.scalar(3)), 0.044715 * sqrt2OverPi);
      return mul(b, scaled(b, x, 0.5), plusOne(b, b.op('Tanh', [add(b, scaled(b, x, sqrt2OverPi), cube)])));
    },
  ],
  ['as a sigmoid', (b, x) => mul(b, x, b.op('Sigmoid', [scaled(b, bent(b, x), 2)]))],
];

const quick: [string, Make][] = [
  ['x · sigmoid(1.702 x)', (b, x) => mul(b, x, b.op('Sigmoid', [scaled(b, x, 1.702)]))],
  ['x / (1 + exp(-1.702 x))', (b, x) => div(b, x, plusOne(b, b.op('Exp', [scaled(b, x, -1.702)])))],
];

describe.each([
  { meaning: 'gelu_exact', operator: 'Gelu', spellings: exact },
  { meaning: 'gelu_tanh', operator: 'Gelu', spellings: tanhs },
  { meaning: 'gelu_quick', operator: 'com.microsoft::QuickGelu', spellings: quick },
] as const)('$meaning', ({ meaning, operator, spellings }) => {
  it.each(spellings)('%s', async (_, make) => {
    const { ops, error, model, record } = await fuse('fuse-gelu', make);
    expect(ops).toEqual([operator]);
    expect(record.notes).toEqual([]);
    expect(census(model).get(meaning)?.found).toBe(1);
    // The root of two may be written with six digits.
    expect(error).toBeLessThan(5e-6);
  });

  it('prints as one line', async () => {
    const { model } = await fuse('fuse-gelu', spellings[0]?.[1] ?? ((_, x) => x));
    await expect(printModel(model)).toMatchFileSnapshot(`../golden/fuse-${meaning.replace('_', '-')}.txt`);
  });

  it('stays spelled out, and is counted, where a target has no operator for it', async () => {
    const { ops, error, model, record } = await fuse(
      'fuse-gelu{target=generic}',
      spellings[0]?.[1] ?? ((_, x) => x),
    );
    const standard = operator === 'Gelu';
    expect(ops.includes('Gelu')).toBe(standard);
    expect(census(model).get(meaning)?.found).toBe(1);
    expect(record.notes.length).toBe(standard ? 0 : 1);
    expect(error).toBeLessThan(5e-6);
  });
});

it('knows constants as float16 rounds them', async () => {
  const make: Make = (b, x) => {
    const narrow = cast(b, x, 'float16');
    const quick = mul(b, narrow, b.op('Sigmoid', [mul(b, narrow, half(b, [1.702]))]));
    const inner = b.op('Erf', [mul(b, quick, half(b, [Math.SQRT1_2]))]);
    const exact = mul(b, mul(b, quick, half(b, [0.5])), add(b, inner, half(b, [1])));
    return cast(b, exact, 'float32');
  };
  const { ops, error } = await fuse('fuse-gelu', make);
  expect(ops).toEqual(['Cast', 'com.microsoft::QuickGelu', 'Gelu', 'Cast']);
  expect(error).toBeLessThan(3e-3);
});

it('is one operator where types change inside, and between them', async () => {
  const wide = (b: GraphBuilder, x: Value): Value => cast(b, x, 'float32');
  const make: Make = (b, x) => {
    const narrow = b.op('Neg', [cast(b, x, 'float16')]);
    const inner = cast(b, b.op('Erf', [wide(b, mul(b, narrow, half(b, [Math.SQRT1_2])))]), 'float16');
    const product = wide(b, mul(b, narrow, add(b, inner, half(b, [1]))));
    return b.op('Exp', [scaled(b, product, 0.5)]);
  };
  const { ops, error } = await fuse('fuse-gelu', make);
  expect(ops).toEqual(['Cast', 'Neg', 'Gelu', 'Cast', 'Exp']);
  expect(error).toBeLessThan(5e-3);
});

describe('what is no GELU', () => {
  it.each<[string, Make]>([
    ['a gate by another value', (b, x) => scaled(b, mul(b, b.op('Exp', [x]), plusOne(b, erf(b, x))), 0.5)],
    [
      'another scale inside',
      (b, x) => scaled(b, mul(b, x, plusOne(b, b.op('Erf', [div(b, x, b.scalar(1.5))]))), 0.5),
    ],
    [
      'another coefficient of the cube',
      (b, x) => {
        const inner = scaled(b, add(b, x, scaled(b, pow(b, x, b.scalar(3)), 0.0447)), sqrt2OverPi);
        return mul(b, scaled(b, x, 0.5), plusOne(b, b.op('Tanh', [inner])));
      },
    ],
    ['a distribution without its x', (b, x) => scaled(b, plusOne(b, erf(b, x)), 0.5)],
    ['a sigmoid of another steepness', (b, x) => mul(b, x, b.op('Sigmoid', [scaled(b, x, 1.6)]))],
    [
      'a constant that makes the result larger',
      (b, x) => mul(b, mul(b, x, b.float32([0.5], [1, 1, 1, 1])), plusOne(b, erf(b, x))),
    ],
  ])('%s', async (_, make) => {
    const { ops, model } = await fuse('fuse-gelu', make);
    expect(ops.join(' ')).not.toMatch(/Gelu/);
    expect([...census(model).values()].every(({ found }) => found === 0)).toBe(true);
  });
});

describe('what has the meaning, but cannot be replaced', () => {
  it('others read a part of it', async () => {
    const { ops, model, record } = await fuse('fuse-gelu', (b, x) => {
      const distribution = plusOne(b, erf(b, x));
      b.output('distribution', b.op('Identity', [distribution]));
      return scaled(b, mul(b, x, distribution), 0.5);
    });
    expect(ops).not.toContain('Gelu');
    expect(census(model).get('gelu_exact')?.found).toBe(1);
    expect(record.notes.join()).toMatch(
      /^GELU stays spelled out 1 times, first at Mul_1: .* is also read by/,
    );
  });

  it('its parts are quantized, and its constants', async () => {
    const make: Make = (b, x) => {
      const input = rounded(b, x);
      const half = rounded(b, b.scalar(0.5), 1 / 254);
      const one = rounded(b, b.scalar(1), 1 / 127);
      const distribution = rounded(b, add(b, rounded(b, erf(b, input)), one));
      return mul(b, rounded(b, mul(b, input, distribution)), half);
    };
    const { ops, model, record, error } = await fuse('fuse-gelu', make);
    expect(ops).not.toContain('Gelu');
    expect(census(model).get('gelu_exact')?.found).toBe(1);
    expect(record.notes).toEqual([
      'GELU stays spelled out 1 times, first at Mul_1: values inside are quantized',
    ]);
    expect(error).toBe(0);
  });
});

describe('what is said to be another activation', () => {
  // As after a group norm: v · (1 + w) by parts, in which the search of GELU gets far.
  const silu =
    (calls: readonly (readonly [string, string])[]): Make =>
    (b, x) => {
      const placed = add(b, mul(b, x, b.float32(weights)), b.float32(weights));
      return b.op('Mul', [placed, b.op('Sigmoid', [placed])], { metadata: calls });
    };
  const weights = [0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.3];

  it('is no near miss of GELU', async () => {
    const untold = await fuse('fuse-gelu', silu([]));
    const told = await fuse('fuse-gelu', silu([['vlm-convert.calls', 'silu']]));
    expect(untold.record.notes.join()).toContain('GELU at');
    expect(told.record.notes).toEqual([]);
  });
});
