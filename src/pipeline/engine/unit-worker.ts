/** A worker thread that runs units. Its setup comes with the thread, then batches one after the other. */
import { UnitRunner, type UnitSetup } from './run-units.ts';
import { setupOfThread } from './threads.ts';
import { type BatchResult, runBatch, type UnitBatch } from './unit-batch.ts';

const runner = new UnitRunner(setupOfThread() as UnitSetup);

export default (batch: UnitBatch): BatchResult => runBatch(runner, batch);
