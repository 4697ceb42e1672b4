import { describe, expect, it } from 'vitest';
import { compareValues, notComparable } from '../../../src/parity/compare/compare-values.ts';
import { judgeComparison, parseComparisonGates } from '../../../src/parity/compare/gates.ts';
import { float32Value, int64Value, type RunTensor, toFloat16 } from '../../../src/runtime/values.ts';

const floats = (...values: number[]): RunTensor =>
  float32Value([values.length / 2, 2], Float32Array.from(values));
const inf = Number.POSITIVE_INFINITY;
const { NaN: nan } = Number;

describe('compareValues', () => {
  it('measures floats of any width', () => {
    const first = floats(3, 4, 0, 0);
    const { metrics, shape } = compareValues('y', first, toFloat16(floats(3, 4.5, 0, 0)));
    expect(shape).toEqual([2, 2]);
    expect(metrics?.relative).toBeCloseTo(0.1, 12);
    expect(metrics?.maxAbs).toEqual({ value: 0.5, where: '[0], channel 1' });
    expect(metrics?.logits).toBeUndefined();
  });

  it('adds what is about logits where a name says so', () => {
    const { metrics } = compareValues('logits', floats(0, 1, 5, 0), floats(1, 0, 5, 0));
    expect(metrics?.logits).toMatchObject({ n: 2, agreed: 1 });
    // KL of softmax(0, 1) to softmax(1, 0), and of the second row to itself, averaged.
    expect(metrics?.logits?.kl).toBeCloseTo((Math.tanh(0.5) * 1) / 2, 6);
  });

  it('takes the same infinity for equal, and another one for a fault', () => {
    const masked = floats(-inf, 1, nan, 2);
    const same = compareValues('y', masked, masked);
    expect(same).toMatchObject({ sameNonFinite: 2, metrics: { nonFinite: { count: 0 }, relative: 0 } });
    for (const other of [floats(inf, 1, nan, 2), floats(-inf, 1, 0, 2), floats(-inf, nan, nan, 2)]) {
      expect(compareValues('y', masked, other).metrics?.nonFinite.count).toBe(1);
    }
  });

  it('counts integers that differ, to the last bit', () => {
    const large = 2 ** 53 - 1;
    const first = int64Value([2, 2], [1, 2, large, 4]);
    expect(compareValues('n', first, first).different).toEqual({ count: 0, of: 4 });
    expect(compareValues('n', first, int64Value([2, 2], [1, 2, large - 1, 5])).different).toEqual({
      count: 2,
      of: 4,
      first: `[1, 0]: ${large} and ${large - 1}`,
    });
  });

  it('says what is not comparable, and that nothing was', () => {
    expect(notComparable(floats(1, 2), floats(1, 2, 3, 4))).toBe('[1,2] and [2,2]');
    expect(notComparable(int64Value([1], [1]), float32Value([1], Float32Array.of(1)))).toBe(
      'int64 and float32',
    );
    expect(notComparable(floats(1, 2), toFloat16(floats(1, 2)))).toBeUndefined();
    expect(compareValues('y', floats(), floats()).metrics).toBeUndefined();
  });
});

describe('gates of a comparison', () => {
  const outputs = [
    compareValues('logits', floats(0, 1, 5, 0), floats(0, 1.1, 5, 0)),
    compareValues('out.put', floats(1, 1), floats(1, nan)),
    compareValues('n', int64Value([2], [1, 2]), int64Value([2], [1, 3])),
  ];
  const judge = (gates: Readonly<Record<string, number>>) =>
    judgeComparison(outputs, parseComparisonGates(gates)).map(
      ({ output, metric, passed }) => `${output} ${metric} ${passed ? 'ok' : 'FAIL'}`,
    );

  it('are about every output, or one, and bring finite and equal with them', () => {
    expect(judge({ relative: 0.03 })).toEqual([
      'logits finite ok',
      'logits relative ok',
      'out.put finite FAIL',
      'out.put relative ok',
      'n different FAIL',
    ]);
    expect(judge({ 'logits.kl': 1e-9, 'out.put.finite': 1 })).toEqual([
      'logits finite ok',
      'logits kl FAIL',
      'out.put finite ok',
    ]);
    expect(judge({ different: 1, 'logits.relative': 0.01, relative: 1 })).toEqual([
      'logits finite ok',
      'logits relative FAIL',
      'out.put finite FAIL',
      'out.put relative ok',
      'n different ok',
    ]);
    expect(judge({})).toEqual([]);
  });

  it('are refused when they could judge nothing', () => {
    expect(() => parseComparisonGates({ relatve: 1 })).toThrow(/VC6105.*did you mean "relative"/s);
    expect(() => parseComparisonGates({ relative: -1 })).toThrow(/VC6105/);
    expect(() => judge({ 'logit.kl': 1 })).toThrow(/no output logit/);
    expect(() => judge({ 'n.kl': 1 })).toThrow(/no output that has this metric/);
  });
});
