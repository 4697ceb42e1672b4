/** `VLM_GOLDENS=<folder> npm run fusion-table`: every recorded model through the pipeline, beside what others find. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['scripts/fusion-table/measure.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 600_000,
    pool: 'forks',
  },
});
