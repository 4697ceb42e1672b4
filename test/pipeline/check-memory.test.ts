import { expect, it } from 'vitest';
import { checkMemory } from '../../src/pipeline/check-memory.ts';

it('refuses a check that the memory cannot hold, and says how to go on without', () => {
  expect(() => checkMemory(30 * 2 ** 30, 24 * 2 ** 30)).toThrow(
    /VC6005[\s\S]*24\.0 GiB[\s\S]*30\.0 GiB[\s\S]*--no-parity/,
  );
});

it('lets one run that fits, and none is needed without a check', () => {
  checkMemory(24 * 2 ** 30, 24 * 2 ** 30);
  checkMemory(0);
});
