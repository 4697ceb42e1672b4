/** Workers and their shares never add up to more than the process may take. */
import { expect, it } from 'vitest';
import { shareMemory } from '../../../src/pipeline/engine/share-memory.ts';

const MiB = 2 ** 20;

it.each([64, 128, 256, 400, 1024, 8192])(
  'fits %i MiB with as many workers as are asked for or fit',
  (memory) => {
    for (const rss of [60, 100, 200]) {
      for (const jobs of [1, 2, 4, 64]) {
        const shares = shareMemory({ memoryBytes: memory * MiB, rssBytes: rss * MiB, jobs, hashThreads: 2 });
        expect(shares.workers).toBeGreaterThanOrEqual(1);
        expect(shares.workers).toBeLessThanOrEqual(jobs);
        expect(shares.capacityBytes).toBeGreaterThanOrEqual(4 * MiB);
        // One worker with the least always runs; more only where they fit.
        if (shares.workers > 1 || shares.capacityBytes > 4 * MiB) {
          expect(rss * MiB + shares.workers * shares.capacityBytes).toBeLessThan(memory * MiB);
        }
        if (shares.workers > 1) expect(shares.capacityBytes).toBeGreaterThanOrEqual(16 * MiB);
      }
    }
  },
);

it('gives more memory to more workers first, then to each', () => {
  const of = (memory: number) =>
    shareMemory({ memoryBytes: memory * MiB, rssBytes: 100 * MiB, jobs: 4, hashThreads: 2 });
  expect(of(200).workers).toBeLessThan(4);
  expect(of(512).workers).toBe(4);
  expect(of(1024)).toEqual({ workers: 4, capacityBytes: 64 * MiB });
});
