import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ntkTable, scaledFrequencies } from '../../../src/architectures/qwen/rope.ts';
import { goldenCases } from '../../support/golden-cases.ts';
import { readIo } from '../../support/read-io.ts';

/** The formula of the reference, literally. */
const alphaOf = (length: number, seqLength: number): number =>
  Math.max(2 ** Math.ceil(Math.log2(length / seqLength) + 1) - 1, 1);

it.each([2048, 96, 64, 2, 3000])(
  'has the step of every prefill length around its thresholds: %d',
  (seqLength) => {
    const { thresholds, rows } = ntkTable(10000, 32, seqLength);
    expect(rows).toHaveLength(thresholds.length + 1);
    const lengths = [
      1,
      seqLength - 1,
      ...thresholds.flatMap((length) => [length, length + 1, length * 2 - 1]),
    ];
    for (const length of lengths.filter((value) => value > 0 && value <= 2 ** 24)) {
      const step = thresholds.filter((threshold) => length > threshold).length;
      expect(rows[step]).toEqual(scaledFrequencies(10000, 32, alphaOf(length, seqLength)));
    }
  },
);

describe('inverse frequencies', () => {
  it('are those that the reference used', async () => {
    let compared = 0;
    const alphas = new Set<number>();
    for (const golden of goldenCases(['monkey', 'qwen-vl'])) {
      const io = await readIo(join(golden.folder, 'io.safetensors'));
      if (!io.has('mid.lm.inv_freq')) continue;
      const recorded = io.float32('mid.lm.inv_freq');
      const alpha = (golden.json as unknown as { ntk_alpha: number }).ntk_alpha;
      const found = scaledFrequencies(10000, recorded.length * 2, alpha);
      for (const [i, value] of recorded.entries()) {
        // One unit in the last place: pow is not correctly rounded in the reference's library.
        expect(Math.abs((found[i] ?? 0) - value)).toBeLessThanOrEqual(value * 2 ** -23);
      }
      compared += recorded.length;
      alphas.add(alpha);
    }
    expect(compared).toBeGreaterThan(32);
    expect(alphas.size).toBeGreaterThan(1);
  });
});
