import { describe, expect, it } from 'vitest';
import type { Named } from '../../src/architectures/vocabulary.ts';
import { defaultLimits } from '../../src/parity/gate-limits.ts';
import {
  type GateVerdict,
  judge,
  type Level,
  limitsGiven,
  parseGates,
  precisions,
} from '../../src/parity/gates.ts';
import { gatesOfComponents } from '../../src/parity/gates-addressed.ts';
import { judgeBlocks } from '../../src/parity/gates-blocks.ts';
import { Comparison } from '../../src/parity/metrics.ts';
import type { Feed, OutputResult } from '../../src/parity/outputs.ts';
import type { BlockMetrics, ErrorCurve } from '../../src/parity/report/report.ts';

/** Logits whose errors are `error` in one of a hundred elements. */
function logits(error: number, feed: Feed = 'local'): OutputResult {
  const data = Float32Array.from({ length: 100 }, (_, i) => Math.sin(i));
  const output = Float32Array.from(data);
  output[42] = (output[42] ?? 0) + error;
  const comparison = new Comparison({ logits: true });
  comparison.add({ data, width: 10, place: (row) => `row ${row}` }, output);
  const metrics = comparison.finish();
  if (metrics === undefined) throw new Error('nothing compared');
  return { output: 'logits', name: 'logits', component: 'decoder', feed, metrics };
}

const failed = (verdicts: readonly GateVerdict[]) =>
  verdicts.filter((verdict) => !verdict.passed).map((verdict) => verdict.metric);

describe('judge', () => {
  it('passes within the limits and fails beyond them, naming the place', () => {
    expect(failed(judge('fidelity', [logits(1e-5)], { decoder: 'fp32' }, []))).toEqual([]);
    const verdicts = judge('fidelity', [logits(1e-3)], { decoder: 'fp32' }, []);
    expect(failed(verdicts)).toEqual(['max', 'relative']);
    expect(verdicts.find((verdict) => verdict.metric === 'max')?.where).toBe('row 4, channel 2');
  });

  it('takes the limits of the precision, in chain those of the least exact component', () => {
    const precision = { vision: 'int4', decoder: 'fp32' } as const;
    expect(failed(judge('fidelity', [logits(1e-3)], precision, []))).toContain('max');
    expect(failed(judge('fidelity', [logits(1e-3, 'chain')], precision, []))).toEqual([]);
  });

  it('fails values that are not finite, whatever the precision', () => {
    for (const precision of precisions) {
      expect(failed(judge('fidelity', [logits(Number.NaN)], { decoder: precision }, []))).toContain('finite');
    }
  });

  it('lets a user move a gate, and add one', () => {
    const overrides = parseGates({ 'logits.max': 1, 'fidelity.logits.relative': 1, 'logits.mean': 1e-9 });
    const verdicts = judge('fidelity', [logits(1e-3)], { decoder: 'fp32' }, overrides);
    expect(failed(verdicts)).toEqual(['mean']);
    expect(verdicts.find((verdict) => verdict.metric === 'max')?.from).toBe('user');
    expect(failed(judge('implementation', [logits(1e-3)], { decoder: 'fp32' }, overrides))).toContain('max');
  });

  it('reads quantiles, tolerances, the five best and perplexity as gates', () => {
    const wanted = { p50: 0, p999: 1, 'rtol@1e-2': 1e9, 'rtol@1e-5': 0, top5: 1, perplexity: 0 };
    const keys = Object.entries(wanted).map(([metric, limit]) => [`logits.${metric}`, limit] as const);
    const verdicts = judge(
      'fidelity',
      [logits(0.1)],
      { decoder: 'int4' },
      parseGates(Object.fromEntries(keys)),
    );
    const values = Object.fromEntries(verdicts.map(({ metric, value, passed }) => [metric, [value, passed]]));
    expect(values.p50).toEqual([0, true]);
    expect(values.top5).toEqual([1, true]);
    expect(values['rtol@1e-5']?.[1]).toBe(false);
    // One element is off by 0.1, its reference is sin 42.
    expect(values['rtol@1e-2']?.[0]).toBeCloseTo((0.1 - 0.01) / Math.abs(Math.sin(42)), 5);
    // Nothing says which tokens follow: a gate on what was not measured fails.
    expect(values.perplexity).toEqual([Number.NaN, false]);
  });

  it('wants at least the limit where more is better', () => {
    const overrides = parseGates({ 'logits.cosine': 0.9999999 });
    expect(failed(judge('fidelity', [logits(1)], { decoder: 'int4' }, overrides))).toContain('cosine');
  });

  it('holds a less exact precision to no tighter fidelity', () => {
    for (const [feed, output] of [
      ['local', 'features'],
      ['chain', 'logits'],
      ['chain', 'cache'],
    ] as const) {
      const limits = precisions.map(
        (precision) => defaultLimits.fidelity[precision][feed][output]?.relative ?? 0,
      );
      expect(limits).toEqual([...limits].sort((a, b) => a - b));
      expect(limits[0]).toBeGreaterThan(0);
    }
  });
});

describe('the level rewrite', () => {
  it('has the same limits whatever the precision of the output: both of its graphs are float32', () => {
    for (const precision of precisions) {
      expect(defaultLimits.rewrite[precision]).toEqual(defaultLimits.rewrite.fp32);
      expect(failed(judge('rewrite', [logits(1e-3)], { decoder: precision }, []))).toEqual([
        'max',
        'relative',
      ]);
    }
  });

  it('has gates that a user can move, which move no other level', () => {
    const [gate, ...others] = parseGates({ 'rewrite.features.max': 0.5 });
    expect(others).toEqual([]);
    expect(gate).toEqual({ level: 'rewrite', output: 'features', metric: 'max', limit: 0.5 });
    const moved = parseGates({ 'rewrite.logits.max': 1, 'rewrite.logits.relative': 1 });
    expect(failed(judge('rewrite', [logits(1e-3)], { decoder: 'fp32' }, moved))).toEqual([]);
    expect(failed(judge('fidelity', [logits(1e-3)], { decoder: 'fp32' }, moved))).toContain('max');
  });
});

describe('judgeBlocks', () => {
  const metrics = (max: number, relative: number, nonFinite = 0) => ({
    max,
    relative,
    cosine: 1 - relative,
    worst: 'prompt 0, position 3 (text)',
    nonFinite,
  });
  const block = (name: string, implementation: BlockMetrics, local = metrics(0.5, 0.1)) => ({
    ...{ name, value: name, nodes: 1, weightBytes: 4, local, accumulated: local, implementation },
  });
  const quiet = metrics(4e-6, 5e-7);
  const curve = (...blocks: ErrorCurve['blocks']): readonly ErrorCurve[] => [
    { component: 'decoder', blocks },
  ];
  const verdicts = (
    level: Level,
    curves: readonly ErrorCurve[],
    gates: Readonly<Record<string, number>> = {},
  ) => judgeBlocks(level, curves, { decoder: 'int4' }, parseGates(gates));

  it('holds every block by itself to the limit, and names the worst', () => {
    expect(failed(verdicts('implementation', curve(block('a', quiet), block('b', quiet))))).toEqual([]);
    const one = curve(block('a', quiet), block('b', metrics(2e-4, 2e-5)), block('c', quiet));
    const found = verdicts('implementation', one).filter(({ passed }) => !passed);
    expect(found.map(({ output, metric, where }) => [output, metric, where])).toEqual([
      ['blocks', 'max', 'decoder b, prompt 0, position 3 (text)'],
      ['blocks', 'relative', 'decoder b'],
    ]);
  });

  it('fails what is not finite, in whichever block', () => {
    const bad = metrics(Number.NaN, Number.NaN, 7);
    const [finite, max] = verdicts(
      'implementation',
      curve(block('a', quiet), block('b', bad), block('c', quiet)),
    );
    expect([finite?.metric, finite?.value, finite?.passed]).toEqual(['finite', 7, false]);
    expect([max?.value, max?.passed]).toEqual([Number.NaN, false]);
  });

  it('takes the own error of blocks for fidelity, and what a user asks for', () => {
    const one = curve(block('a', quiet), block('b', quiet, metrics(3, 0.5)));
    expect(failed(verdicts('fidelity', one))).toEqual(['relative']);
    expect(failed(verdicts('fidelity', one, { 'blocks.relative': 0.6, 'blocks.cosine': 0.7 }))).toEqual([
      'cosine',
    ]);
    expect(failed(verdicts('implementation', one, { 'blocks.max': 0 }))).toEqual([]);
    expect(failed(verdicts('implementation', one, { 'implementation.blocks.max': 0 }))).toEqual(['max']);
  });

  it('has nothing to say of levels and components that were not compared by block', () => {
    expect(verdicts('device', curve(block('a', quiet)))).toEqual([]);
    expect(verdicts('rewrite', curve(block('a', quiet)))).toEqual([]);
  });
});

describe('parseGates', () => {
  it.each([
    ['logit.kl', 0.1, 'logits.kl'],
    ['features.kl', 0.1, 'features, embeds, logits, cache'],
    ['blocks.mean', 0.1, 'finite, max, relative, cosine'],
    ['device.blocks.max', 0.1, 'rewrite, implementation, fidelity'],
    ['logits.kl', -1, 'from 0 on'],
    ['logits.kl', Number.NaN, 'from 0 on'],
  ])('refuses %s=%s', (key, limit, says) => {
    expect(() => parseGates({ [key]: limit })).toThrow(says);
    expect(() => parseGates({ [key]: limit })).toThrow('VC6105');
  });
});

describe('gates of components', () => {
  const components: readonly Named[] = [
    { id: 'vision', kind: 'encoder', modality: 'image' },
    { id: 'audio_encoder', kind: 'encoder', modality: 'audio' },
    { id: 'embed', kind: 'embed', modality: 'text' },
    { id: 'decoder', kind: 'decoder', modality: 'text' },
  ];
  const precision = { vision: 'fp16', audio_encoder: 'fp16', embed: 'fp16', decoder: 'fp16' } as const;
  const given = (gates: Readonly<Record<string, number>>) => gatesOfComponents(parseGates(gates), components);
  const limitsOf = (gates: Readonly<Record<string, number>>, level: Level = 'fidelity') =>
    Object.fromEntries(
      ['vision', 'audio_encoder'].map((component) => {
        const result: OutputResult = { ...logits(0), output: 'features', component };
        const verdicts = judge(level, [result], precision, given(gates));
        const one = verdicts.find(({ metric }) => metric === 'relative');
        return [component, one?.from === 'user' ? one.limit : undefined];
      }),
    );

  it.each([
    [{ 'features.relative': 0.5 }, [0.5, 0.5]],
    [{ 'audio_encoder.features.relative': 0.5 }, [undefined, 0.5]],
    [{ 'image_encoder.fidelity.features.relative': 0.5 }, [0.5, undefined]],
    [{ 'encoder.features.relative': 0.5 }, [0.5, 0.5]],
    // The more exact counts, wherever it stands.
    [
      { 'vision.features.relative': 0.1, 'encoder.features.relative': 0.5, 'features.relative': 1 },
      [0.1, 0.5],
    ],
    [{ 'features.relative': 1, 'image_encoder.features.relative': 0.5 }, [0.5, 1]],
    [{ 'encoder.implementation.features.relative': 0.5 }, [undefined, undefined]],
  ])('%o', (gates, [vision, audio]) => {
    expect(limitsOf(gates)).toEqual({ vision, audio_encoder: audio });
  });

  it('hold for blocks and headroom, too', () => {
    const gates = given({ 'decoder.blocks.max': 7, 'vision.headroom': 8 });
    const block = { relative: 0, cosine: 1, max: 0, worst: '', nonFinite: 0 };
    const curve = (component: string): ErrorCurve => ({
      component,
      blocks: [{ name: 'a', value: 'a', nodes: 1, weightBytes: 1, local: block, accumulated: block }],
    });
    const verdicts = judgeBlocks('fidelity', [curve('vision'), curve('decoder')], precision, gates);
    const limits = verdicts.filter(({ metric }) => metric === 'max');
    expect(limits.map(({ from }) => from)).toEqual(
      limits.map(({ component }) => (component === 'decoder' ? 'user' : 'default')),
    );
    expect(limits.find(({ component }) => component === 'decoder')?.limit).toBe(7);
    expect(limitsGiven(gates, { level: 'ranges', output: 'activations', component: 'vision' })).toEqual({
      headroom: 8,
    });
    expect(limitsGiven(gates, { level: 'ranges', output: 'activations', component: 'decoder' })).toEqual({});
  });

  it.each([
    ['visoin.features.max', 'VC4006', 'did you mean "vision"'],
    ['generator.features.max', 'VC4006', 'audio_encoder'],
    ['devise.features.max', 'VC6105', 'device.features.max'],
    ['decoder.features.max', 'VC6105', 'logits, cache'],
    ['decoder.nothing.max', 'VC6105', 'a component and a dot'],
  ])('%s is refused: %s', (key, code, says) => {
    expect(() => given({ [key]: 1 })).toThrow(code);
    expect(() => given({ [key]: 1 })).toThrow(says);
  });
});
