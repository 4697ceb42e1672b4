/** Twenty drawn samples through every gate: a limit that only some inputs keep would show here, as a flake of users. */
import { describe, expect, it } from 'vitest';
import { runParity } from '../../src/parity/index.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { withStreamedCheck } from '../support/streamed-check.ts';

const golden = goldenCase('llava/hf-tiny');
const seeds = Array.from({ length: 20 }, (_, index) => index + 1);

describe(`${golden.name} over ${seeds.length} seeds`, () => {
  it.each(['fp32', 'int4'] as const)('passes every gate in %s', async (precision) => {
    const failed: unknown[] = [];
    const pictures = new Set<string>();
    await withStreamedCheck({ golden, options: { precision } }, async (request) => {
      for (const seed of seeds) {
        const { gates, sample } = await runParity({ ...request, seed, decodeSteps: 2 });
        expect(gates.length).toBeGreaterThan(10);
        failed.push(...gates.filter(({ passed }) => !passed).map((gate) => ({ seed, ...gate })));
        pictures.add(sample.picture?.sha256 ?? '');
      }
    });
    expect(failed).toEqual([]);
    expect(pictures.size).toBe(seeds.length);
  });
});
