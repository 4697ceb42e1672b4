/** Where batches of units run: on worker threads or, where those would take longer to start, on the main thread. */
import { setImmediate } from 'node:timers/promises';
import { UnitRunner, type UnitSetup } from './run-units.ts';
import { startThreads } from './threads.ts';
import { type BatchResult, runBatch, type UnitBatch } from './unit-batch.ts';

export interface UnitPool {
  /** Batches that are worth handing over at once: each worker finds the next one waiting. */
  readonly lanes: number;
  run(batch: UnitBatch): Promise<BatchResult>;
  close(): Promise<void>;
}

export async function unitThreads(setup: UnitSetup, workers: number): Promise<UnitPool> {
  const threads = await startThreads<UnitBatch, BatchResult>('#unit-worker', setup, workers);
  return { lanes: 2 * workers, ...threads };
}

export function unitsHere(setup: UnitSetup): UnitPool {
  const runner = new UnitRunner(setup);
  return {
    lanes: 1,
    run: async (batch) => {
      // Signals are seen between batches.
      await setImmediate();
      return runBatch(runner, batch);
    },
    close: async () => {},
  };
}
