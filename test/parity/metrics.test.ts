import { describe, expect, it } from 'vitest';
import { argMax, Comparison, klDivergence, type Metrics } from '../../src/parity/metrics.ts';

const rows = (data: readonly number[], width: number) => ({
  data: Float32Array.from(data),
  width,
  place: (row: number) => `row ${row}`,
});

function compare(
  reference: readonly number[],
  output: readonly number[],
  width: number,
  logits = false,
): Metrics {
  const comparison = new Comparison({ logits });
  comparison.add(rows(reference, width), Float32Array.from(output));
  const metrics = comparison.finish();
  if (metrics === undefined) throw new Error('nothing compared');
  return metrics;
}

describe('errors', () => {
  it('gives the numbers that a hand computes', () => {
    const metrics = compare([1, 2, 3, 4], [1, 2.5, 3, 5], 2);
    expect(metrics.elements).toBe(4);
    expect(metrics.rows).toBe(2);
    // mean 2.5, deviations 1.5 0.5 0.5 1.5: variance 5/4
    expect(metrics.std).toBeCloseTo(Math.sqrt(1.25), 12);
    expect(metrics.maxAbs).toEqual({ value: 1, where: 'row 1, channel 1' });
    expect(metrics.meanAbs).toBeCloseTo(1.5 / 4, 12);
    expect(metrics.maxStd).toBeCloseTo(1 / Math.sqrt(1.25), 12);
    expect(metrics.meanStd).toBeCloseTo(0.375 / Math.sqrt(1.25), 12);
    // ||e||² = 0.25 + 1, ||r||² = 30
    expect(metrics.relative).toBeCloseTo(Math.sqrt(1.25 / 30), 12);
    // r·o = 1 + 5 + 9 + 20, ||o||² = 1 + 6.25 + 9 + 25
    expect(metrics.cosine).toBeCloseTo(35 / Math.sqrt(30 * 41.25), 12);
    // row 0: 6 / (√5 √7.25) = 0.99654; row 1: 29 / (5 √34) = 0.99470
    expect(metrics.worstCosine.where).toBe('row 1');
    expect(metrics.worstCosine.value).toBeCloseTo(29 / (5 * Math.sqrt(34)), 12);
  });

  it('is the same in pieces as in one', () => {
    const whole = compare([1, -2, 3, 4, 0.5, 7], [1, -2.5, 3, 5, 0.25, 7], 2);
    const pieces = new Comparison({ logits: false });
    pieces.add(rows([1, -2], 2), Float32Array.of(1, -2.5));
    pieces.add(rows([3, 4, 0.5, 7], 2), Float32Array.of(3, 5, 0.25, 7));
    const joined = pieces.finish();
    expect(joined?.std).toBeCloseTo(whole.std, 12);
    expect(joined?.relative).toBeCloseTo(whole.relative, 12);
    expect(joined?.rows).toBe(3);
  });

  it('keeps the deviation of numbers that stand far from zero', () => {
    const far = Array.from({ length: 1000 }, (_, i) => 2 ** 20 + (i % 2));
    expect(compare(far, far, 10).std).toBeCloseTo(0.5, 9);
  });

  it('measures an error against a constant reference as infinite, and none as none', () => {
    expect(compare([2, 2], [2, 2.5], 2).maxStd).toBe(Number.POSITIVE_INFINITY);
    expect(compare([2, 2], [2, 2], 2).maxStd).toBe(0);
  });

  it('gives zero rows a cosine of 1 among themselves and of 0 against others', () => {
    expect(compare([0, 0], [0, 0], 2).worstCosine.value).toBe(1);
    expect(compare([0, 0], [0, 1], 2).worstCosine.value).toBe(0);
  });

  it('finds values that are not finite and leaves them out of the sums', () => {
    const metrics = compare([1, 2, 3, 4], [1, 2, Number.NaN, Number.POSITIVE_INFINITY], 2);
    expect(metrics.nonFinite).toEqual({ count: 2, first: 'row 1, channel 0: NaN' });
    expect(metrics.elements).toBe(4);
    expect(metrics.maxAbs.value).toBe(0);
  });

  it('says where the reference is not finite', () => {
    const comparison = new Comparison({ logits: false });
    comparison.add(rows([1, Number.NaN], 2), Float32Array.of(1, 2));
    expect(comparison.badReference).toBe('row 0, channel 1: NaN');
  });

  it('has nothing to say about nothing', () => {
    expect(new Comparison({ logits: false }).finish()).toBeUndefined();
  });

  it('refuses rows that do not pair', () => {
    const comparison = new Comparison({ logits: false });
    expect(() => comparison.add(rows([1, 2], 2), Float32Array.of(1))).toThrow(RangeError);
    expect(() => comparison.add(rows([1, 2, 3], 2), Float32Array.of(1, 2, 3))).toThrow(RangeError);
  });
});

describe('logits', () => {
  it('gives the divergence of softmaxes in nats', () => {
    // p = (1/4, 3/4), q = (1/2, 1/2)
    const expected = 0.25 * Math.log(0.5) + 0.75 * Math.log(1.5);
    expect(klDivergence(Float32Array.of(0, Math.log(3)), Float32Array.of(5, 5))).toBeCloseTo(expected, 7);
    // Not symmetric: the reference stands first.
    const other = 0.5 * Math.log(2) + 0.5 * Math.log(2 / 3);
    expect(klDivergence(Float32Array.of(5, 5), Float32Array.of(0, Math.log(3)))).toBeCloseTo(other, 7);
  });

  it('stands large logits', () => {
    expect(klDivergence(Float32Array.of(1e4, 0), Float32Array.of(1e4, 0))).toBe(0);
    expect(klDivergence(Float32Array.of(1000, 0), Float32Array.of(0, 0))).toBeCloseTo(Math.log(2), 9);
  });

  it('counts agreement with n, and means and maxima over rows', () => {
    const reference = [0, Math.log(3), 2, 1, 0, 9];
    const output = [0, 0, 2, 1, 0, 9];
    const { logits } = compare(reference, output, 2, true);
    const worst = 0.25 * Math.log(0.5) + 0.75 * Math.log(1.5);
    expect(logits?.n).toBe(3);
    expect(logits?.agreed).toBe(2);
    expect(logits?.top1).toBeCloseTo(2 / 3, 12);
    expect(logits?.kl).toBeCloseTo(worst / 3, 7);
    expect(logits?.klMax.value).toBeCloseTo(worst, 7);
    expect(logits?.klMax.where).toBe('row 0');
  });

  it('has an infinite divergence where a logit is not finite', () => {
    expect(compare([1, 2], [1, Number.NaN], 2, true).logits?.kl).toBe(Number.POSITIVE_INFINITY);
  });

  it('picks the first of equals, and none among NaN', () => {
    expect(argMax(Float32Array.of(1, 3, 3))).toBe(1);
    expect(argMax(Float32Array.of(Number.NaN, -5, Number.NaN))).toBe(1);
    expect(argMax(Float32Array.of(Number.NaN))).toBe(-1);
  });
});
