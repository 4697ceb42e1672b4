import { describe, expect, it } from 'vitest';
import { Random } from '../../src/parity/inputs/random.ts';
import { argMax, Comparison, klDivergence, type Metrics, wilson } from '../../src/parity/metrics.ts';

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

  it('measures an error against a constant reference by its size, of nothing as infinite, and none as none', () => {
    expect(compare([2, 2], [2, 2.5], 2).maxStd).toBe(0.25);
    expect(compare([1e4], [1e4 + 1], 1).maxStd).toBeCloseTo(1e-4, 12);
    expect(compare([0, 0], [0, 2.5], 2).maxStd).toBe(Number.POSITIVE_INFINITY);
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

describe('quantiles and tolerances', () => {
  /** Reference of deviation 1 (±1) and errors of a wide range. */
  const random = new Random(7);
  const errors = Array.from({ length: 20_000 }, () => (random.unit() - 0.5) * 2 ** random.int(-30, 3));
  const reference = errors.map((_, i) => (i % 2 === 0 ? 1 : -1));
  const output = Float32Array.from(reference, (r, i) => r + (errors[i] ?? 0));
  const metrics = compare(reference, [...output], 100);
  const exact = reference.map((r, i) => Math.abs((output[i] ?? 0) - r)).sort((a, b) => a - b);

  it('are those of the sorted errors, to 1/256', () => {
    for (const [name, share] of [
      ['p50', 0.5],
      ['p90', 0.9],
      ['p99', 0.99],
      ['p999', 0.999],
    ] as const) {
      const wanted = exact[Math.ceil(share * exact.length) - 1] ?? 0;
      const found = metrics.quantiles?.[name] ?? Number.NaN;
      expect(Math.abs(found - wanted)).toBeLessThanOrEqual(wanted / 256);
    }
  });

  it('make allclose pass with the relative tolerance and fail with a little less', () => {
    const close = (atol: number, rtol: number) =>
      reference.every((r, i) => Math.abs((output[i] ?? 0) - r) <= atol + rtol * Math.abs(r));
    expect(metrics.tolerances?.map(({ atol }) => atol)).toEqual([1e-5, 1e-4, 1e-3, 1e-2, 1e-1]);
    for (const { atol, rtol } of metrics.tolerances ?? []) {
      expect(close(atol, rtol * (1 + 1e-12))).toBe(true);
      expect(close(atol, rtol * (1 - 1e-6))).toBe(false);
    }
  });

  it('need no relative tolerance within the absolute one, and an infinite one at a zero beyond it', () => {
    expect(compare([1, 2], [1, 2.005], 2).tolerances?.at(3)).toEqual({ atol: 1e-2, rtol: 0 });
    expect(compare([0, 2], [0.5, 2], 2).tolerances?.at(0)?.rtol).toBe(Number.POSITIVE_INFINITY);
  });

  it('count every difference in a bin that holds it', () => {
    const { edges, counts } = metrics.differences ?? { edges: [], counts: [] };
    expect(edges.length).toBe(counts.length + 1);
    expect(counts.length).toBeGreaterThan(20);
    const differences = reference.map((r, i) => Math.fround((output[i] ?? 0) - r));
    const last = counts.length - 1;
    const wanted = counts.map(
      (_, bin) =>
        differences.filter((difference) => {
          const above = bin === 0 || difference > (edges[bin] ?? 0);
          return above && (bin === last || difference <= (edges[bin + 1] ?? 0));
        }).length,
    );
    // What lies exactly on an edge belongs to the bin that is farther out.
    for (const [bin, count] of counts.entries()) {
      expect(Math.abs(count - (wanted[bin] ?? 0))).toBeLessThanOrEqual(1);
    }
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20_000);
    expect(Math.abs((edges[0] ?? 0) + (edges.at(-1) ?? 0))).toBe(0);
  });

  it('have no histogram where nothing differs', () => {
    expect(compare([1, 2], [1, 2], 2).differences).toBeUndefined();
    expect(compare([1, 2], [1, 2], 2).quantiles).toEqual({ p50: 0, p90: 0, p99: 0, p999: 0 });
  });
});

describe('picks and predictions', () => {
  it("gives Wilson's interval", () => {
    // Known values for 8 of 10 and for 0 of 10.
    expect(wilson(8, 10).low).toBeCloseTo(0.4901625, 6);
    expect(wilson(8, 10).high).toBeCloseTo(0.9433178, 6);
    expect(wilson(0, 10).low).toBe(0);
    expect(wilson(0, 10).high).toBeCloseTo(0.2775328, 6);
    expect(wilson(10, 10).high).toBeCloseTo(1, 12);
    expect(wilson(10, 10).high).toBeLessThanOrEqual(1);
  });

  it("finds the reference's pick among the five largest", () => {
    const reference = [9, 0, 0, 0, 0, 0, 0];
    const fifth = [5, 9, 8, 7, 6, 0, 0];
    const sixth = [5, 9, 8, 7, 6, 5.5, 0];
    // Of equals the first counts as the larger.
    const tied = [0, 0, 0, 0, 0, 0, 0];
    const rows = [fifth, sixth, tied].flat();
    const { logits } = compare([...reference, ...reference, ...reference], rows, 7, true);
    expect(logits).toMatchObject({ agreed: 1, agreed5: 2, n: 3, top1Interval: wilson(1, 3) });
    expect(logits?.top5).toBeCloseTo(2 / 3, 12);
    expect(logits?.top5Interval).toEqual(wilson(2, 3));
  });

  it('measures how well both predict the token that follows', () => {
    const comparison = new Comparison({ logits: true });
    const data = Float32Array.of(0, Math.log(3), 0, 0, Math.log(7), 0);
    const output = Float32Array.of(0, 0, 5, -5, 0, 0);
    comparison.add({ data, width: 2, place: String, next: [1, undefined, 0] }, output);
    const perplexity = comparison.finish()?.logits?.perplexity;
    // p = 3/4 and 7/8 against 1/2 and 1/2: perplexities are the inverses of their geometric means.
    expect(perplexity?.n).toBe(2);
    expect(perplexity?.reference).toBeCloseTo(1 / Math.sqrt((3 / 4) * (7 / 8)), 7);
    expect(perplexity?.output).toBeCloseTo(2, 12);
    expect(perplexity?.change).toBeCloseTo(2 * Math.sqrt((3 / 4) * (7 / 8)) - 1, 7);
  });

  it('has no perplexity where no token follows', () => {
    expect(compare([1, 2], [1, 2], 2, true).logits?.perplexity).toBeUndefined();
  });
});

describe('token maps', () => {
  it('hold the relative error of each token of their view, and of nothing else', () => {
    const tokens = [
      { view: 'a', rows: 1, columns: 2, first: 1 },
      { view: 'b', rows: 2, columns: 1, first: 3 },
    ];
    const comparison = new Comparison({ logits: false, tokens });
    const reference = Float32Array.from({ length: 12 }, () => 1);
    const output = Float32Array.from(reference);
    output[0] = 9; // the class token's: in no map
    output[4] = 1.5; // row 2
    output[7] = Number.NaN; // row 3
    comparison.add(rows([...reference.subarray(0, 6)], 2), output.subarray(0, 6));
    comparison.add(rows([...reference.subarray(6)], 2), output.subarray(6));
    expect(comparison.finish()?.tokens).toEqual([
      { view: 'a', rows: 1, columns: 2, errors: [0, 0.5 / Math.SQRT2] },
      { view: 'b', rows: 2, columns: 1, errors: [Number.POSITIVE_INFINITY, 0] },
    ]);
  });
});
