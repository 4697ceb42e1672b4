import { describe, expect, it } from 'vitest';
import { bicubicRows, bicubicTaps, bicubicWeights } from '../../src/kernels/bicubic.ts';
import torch from './bicubic-torch.json' with { type: 'json' };

describe('bicubic', () => {
  it.each(torch.cases)('matches torch from $from to $to, as taps and as matrices', (golden) => {
    const [gh = 0, gw = 0] = golden.from;
    const [h = 0, w = 0] = golden.to;
    const { depth } = golden;
    const table = Float32Array.from(golden.table);
    const taps = bicubicRows(table, 0, gw, depth, bicubicTaps(gh, h), bicubicTaps(gw, w), 0, h * w);
    const rows = bicubicWeights(gh, h);
    const columns = bicubicWeights(gw, w);
    const largest = Math.max(...golden.table.map(Math.abs));
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        for (let d = 0; d < depth; d++) {
          let product = 0;
          for (let i = 0; i < gh; i++) {
            for (let j = 0; j < gw; j++) {
              const weight = (rows[y * gh + i] ?? NaN) * (columns[x * gw + j] ?? NaN);
              product += weight * (table[(i * gw + j) * depth + d] ?? NaN);
            }
          }
          const expected = golden.out[(y * w + x) * depth + d] ?? NaN;
          expect(Math.abs(product - expected)).toBeLessThan(1e-6 * largest);
          expect(Math.abs((taps[(y * w + x) * depth + d] ?? NaN) - expected)).toBeLessThan(1e-6 * largest);
        }
      }
    }
  });

  it('is the identity for equal sizes, and every row sums to 1', () => {
    const same = bicubicWeights(5, 5);
    expect([...same]).toEqual(Array.from({ length: 25 }, (_, i) => (i % 6 === 0 ? 1 : 0)));
    for (const [inSize, outSize] of [
      [16, 32],
      [64, 24],
      [1, 3],
    ] as const) {
      const weights = bicubicWeights(inSize, outSize);
      for (let out = 0; out < outSize; out++) {
        const row = weights.subarray(out * inSize, (out + 1) * inSize);
        expect(Math.abs(row.reduce((sum, weight) => sum + weight, 0) - 1)).toBeLessThan(1e-6);
      }
    }
  });

  it('refuses sizes that are no sizes', () => {
    expect(() => bicubicWeights(0, 4)).toThrow(RangeError);
    expect(() => bicubicWeights(4, 1.5)).toThrow(RangeError);
  });
});
