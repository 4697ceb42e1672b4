/** What failed gates are put down to: the first level, the blocks beyond its limits, and nothing that follows from it. */
import { describe, expect, it } from 'vitest';
import { defaultLimits } from '../../../src/parity/gate-limits.ts';
import type { GateVerdict, Level } from '../../../src/parity/gates.ts';
import { suspects } from '../../../src/parity/report/blame.ts';
import { findingText } from '../../../src/parity/report/finding.ts';
import type { BlockMetrics, ErrorCurve } from '../../../src/parity/report/report.ts';

const precision = { vision: 'int4', embed: 'int4', decoder: 'int4' } as const;

function metrics(relative: number, nonFinite = 0): BlockMetrics {
  return { relative, cosine: 1, max: 4 * relative, worst: '', nonFinite };
}

/** Own errors of each block at the levels rewrite, implementation and fidelity. */
function curve(component: string, blocks: readonly (readonly [number, number, number])[]): ErrorCurve {
  return {
    component,
    blocks: blocks.map(([rewrite, implementation, local], index) => ({
      name: `b${index}`,
      value: '',
      nodes: 1,
      weightBytes: 0,
      rewrite: metrics(rewrite),
      implementation: metrics(implementation),
      local: metrics(local),
      accumulated: metrics(local),
    })),
  };
}

function gate(level: Level, component: string, change: Partial<GateVerdict> = {}): GateVerdict {
  const output = component === 'vision' ? 'features' : 'logits';
  const limit = defaultLimits[level].int4.local[output]?.relative ?? 0;
  return {
    level,
    component,
    output,
    feed: 'local',
    metric: 'relative',
    precision: 'int4',
    direction: 'at-most',
    limit,
    from: 'default',
    value: 2 * limit,
    passed: false,
    ...change,
  };
}

const sound = [5e-8, 1e-7, 0.05] as const;
const curves = (
  vision: ErrorCurve['blocks'] | undefined,
  decoder = curve('decoder', [sound, sound]).blocks,
) => [
  { component: 'vision', blocks: vision ?? curve('vision', [sound, sound, sound]).blocks },
  { component: 'decoder', blocks: decoder },
];

const found = (gates: readonly GateVerdict[], all: readonly ErrorCurve[]) =>
  suspects({ gates, curves: all, precision }).map(({ level, component, block, otherBlocks }) => [
    level,
    component,
    block?.name,
    otherBlocks,
  ]);

describe('the suspects', () => {
  it('are none where every gate passed, or only those of a baseline failed', () => {
    const passed = gate('implementation', 'vision', { passed: true });
    expect(found([passed, gate('fidelity', 'vision', { from: 'baseline' })], curves(undefined))).toEqual([]);
  });

  it('are the block beyond the limit, and not what it does to later levels and components', () => {
    const vision = curve('vision', [sound, [5e-8, 3e-3, 0.3], sound]).blocks;
    const chained = gate('fidelity', 'decoder', { feed: 'chain' });
    const gates = [gate('implementation', 'vision'), gate('fidelity', 'vision'), chained];
    expect(found(gates, curves(vision))).toEqual([['implementation', 'vision', 'b1', 0]]);
  });

  it('are a component, too, that nothing before it feeds', () => {
    const vision = curve('vision', [sound, [5e-8, 3e-3, 0.3], sound]).blocks;
    const generator = curve('generator', [[5e-8, 1e-7, 0.9]]);
    const gates = [gate('implementation', 'vision'), gate('fidelity', 'generator')];
    expect(found(gates, [...curves(vision), generator])).toEqual([
      ['implementation', 'vision', 'b1', 0],
      ['fidelity', 'generator', 'b0', 0],
    ]);
  });

  it('are all that is off by itself: a component apart, more blocks of one, a level before', () => {
    const vision = curve('vision', [
      [2e-3, 1e-7, 0.05],
      [1e-7, 2e-3, 0.1],
      [1e-7, 3e-3, 0.1],
    ]).blocks;
    const decoder = curve('decoder', [sound, [1e-7, 4e-3, 0.1]]).blocks;
    const gates = [
      gate('rewrite', 'vision'),
      gate('implementation', 'vision'),
      gate('implementation', 'decoder'),
    ];
    expect(found(gates, curves(vision, decoder))).toEqual([
      ['rewrite', 'vision', 'b0', 0],
      ['implementation', 'vision', 'b1', 0],
      ['implementation', 'vision', 'b2', 0],
      ['implementation', 'decoder', 'b1', 0],
    ]);
  });

  it('are three blocks of a component at most, and say how many more there are', () => {
    const off = [1e-7, 2e-3, 0.1] as const;
    const vision = curve('vision', [off, off, sound, off, off, off]).blocks;
    expect(found([gate('implementation', 'vision')], curves(vision))).toEqual([
      ['implementation', 'vision', 'b0', 0],
      ['implementation', 'vision', 'b1', 0],
      ['implementation', 'vision', 'b3', 2],
    ]);
  });

  it('are of a block that is not finite, however small the rest', () => {
    const [first, ...rest] = curve('vision', [sound, sound]).blocks;
    if (first === undefined) throw new Error('no block');
    const bad = { ...first, implementation: metrics(1e-8, 3) };
    expect(found([gate('implementation', 'vision')], curves([bad, ...rest]))).toEqual([
      ['implementation', 'vision', 'b0', 0],
    ]);
  });

  it('have no block where none is beyond the limit by itself', () => {
    expect(found([gate('fidelity', 'decoder', { feed: 'chain' })], curves(undefined))).toEqual([
      ['fidelity', 'decoder', undefined, 0],
    ]);
    expect(found([gate('device', 'vision')], curves(undefined))).toEqual([
      ['device', 'vision', undefined, 0],
    ]);
  });

  it('are judged by the limits that the user set', () => {
    const vision = curve('vision', [sound, [5e-8, 3e-5, 0.1], sound]).blocks;
    const set = (limit: number) =>
      gate('implementation', 'vision', { output: 'blocks', limit, from: 'user', value: 3e-5 });
    const max = gate('implementation', 'vision', { output: 'blocks', metric: 'max', limit: 1, passed: true });
    expect(found([set(1e-5), max], curves(vision))).toEqual([['implementation', 'vision', 'b1', 0]]);
    expect(found([set(1e-4), max], curves(vision))).toEqual([['implementation', 'vision', undefined, 0]]);
  });
});

describe('a finding', () => {
  const base = {
    level: 'implementation',
    component: 'vision',
    otherBlocks: 0,
    places: [],
    tensors: [],
  } as const;

  it('is a line that names all that is known, and leaves out what is not', () => {
    expect(findingText({ ...base, kind: 'unknown' })).toBe(
      'vision, at implementation: a gate failed, and no block stands out',
    );
    const whole = findingText({
      ...base,
      block: { index: 3, name: 'block.1' },
      otherBlocks: 2,
      kind: 'zero points',
      places: ['tile row 0 column 1', 'tile row 1 column 1'],
      node: { name: 'block.1/MatMulNBits', operator: 'com.microsoft::MatMulNBits', value: 'v' },
      tensors: [
        { name: 'w', what: '2 of 96, first at row 7, block 0' },
        { name: 'u', what: 'transposed' },
      ],
    });
    expect(whole).toBe(
      'vision, block 3 (block.1) and 2 more, at implementation: wrong zero points of w (2 of 96, first at row 7, block 0), and 1 more; com.microsoft::MatMulNBits block.1/MatMulNBits; only in tile row 0 column 1, tile row 1 column 1',
    );
  });
});
