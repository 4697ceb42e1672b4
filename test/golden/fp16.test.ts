/** Every recorded case in fp16, through every level of parity, with adapters merged and as branches. */
import { describe, expect, it } from 'vitest';
import { failedGates, loraModes, registeredCases, withConverted } from './convert-case.ts';

describe.each(registeredCases)('$name', (golden) => {
  it.each(loraModes(golden))('passes every gate in fp16, adapters in form %s', async (lora) => {
    await withConverted(golden, { lora, precision: 'fp16' }, async ({ result }) => {
      expect(failedGates(result)).toEqual([]);
      expect(result.passed).toBe(true);
    });
  });
});
