/**
 * MiniCPM-V compiled for one picture size, through every level of parity: a size that is cut into slices in every
 * precision, and one that is a single view. test/architectures/minicpm-v/golden.test.ts holds the features.
 */
import { describe, expect, it } from 'vitest';
import { goldenCases } from '../support/golden-cases.ts';
import { failedGates, withConverted } from './convert-case.ts';

const sliced = { width: 96, height: 190 };
const single = { width: 70, height: 90 };

describe.each(goldenCases(['minicpm-v-2.5']))('$name', (golden) => {
  it.each([
    { precision: 'fp32', resolution: sliced },
    { precision: 'fp16', resolution: sliced },
    { precision: 'int8', resolution: sliced },
    { precision: 'int4', resolution: sliced },
    { precision: 'fp32', resolution: single },
  ] as const)('passes every gate in $precision at $resolution.width', async (options) => {
    await withConverted(golden, options, async ({ result }) => {
      expect(failedGates(result)).toEqual([]);
      expect(result.passed).toBe(true);
    });
  });
});
