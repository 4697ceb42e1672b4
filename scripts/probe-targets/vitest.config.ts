/** `npm run probe:targets`: what it writes depends on the machine's drivers, so that it is no test of the suite. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['scripts/probe-targets/measure.ts'], pool: 'forks', testTimeout: 3_600_000 },
});
