/**
 * Worker threads. Their code is that of the build, also when the sources run in tests: a thread loads JavaScript
 * only. The package's `imports` say where it stands.
 */
import { createRequire } from 'node:module';

export type Entry = '#unit-worker' | '#hash-worker' | '#read-ahead-worker';

export interface Threads<Task, Result> {
  /** Runs on the first thread that is free. */
  run(task: Task): Promise<Result>;
  /** Ends the threads; what still runs is lost. */
  close(): Promise<void>;
}

/**
 * V8's own memory in a thread: plans take some MiB of it, weights none (they lie in WebAssembly memory). The limit
 * makes a bug an error instead of a machine that swaps.
 */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 };

/** Starts `count` threads. `setup` is sent to each of them once. */
export async function startThreads<Task, Result>(
  entry: Entry,
  setup: unknown,
  count: number,
): Promise<Threads<Task, Result>> {
  const { Tinypool } = await import('tinypool');
  const pool = new Tinypool({
    filename: createRequire(import.meta.url).resolve(entry),
    minThreads: count,
    maxThreads: count,
    workerData: setup,
    resourceLimits,
  });
  // A thread that ends without a task would end the process; those that have one tell it there.
  pool.on('error', () => {});
  return {
    run: (task) => pool.run(task) as Promise<Result>,
    close: () => pool.destroy(),
  };
}

/** What the thread that this runs on was given. */
export function setupOfThread(): unknown {
  return process.__tinypool_state__.workerData;
}
