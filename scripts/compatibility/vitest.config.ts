/** `npm run compatibility`: minutes of conversions and clients, so that it is no test of the suite. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['scripts/compatibility/measure.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 600_000,
    pool: 'forks',
  },
});
