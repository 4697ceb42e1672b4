import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    // Conversion tests write gigabyte-free but real ONNX folders and run them: seconds, not milliseconds.
    testTimeout: 120_000,
    // Some convert once for all their tests.
    hookTimeout: 120_000,
    pool: 'forks',
  },
});
