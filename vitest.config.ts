import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    // Conversion tests write real ONNX folders and run them: seconds, and for a tower of 48 blocks a minute where all
    // cores are busy with others.
    testTimeout: 300_000,
    // Some convert once for all their tests.
    hookTimeout: 300_000,
    pool: 'forks',
  },
});
