/** A handful of units that one worker runs one after the other: what goes to a thread, and what comes back. */
import { type DiagnosticRecord, VlmError } from '../../report/diagnostics.ts';
import type { UnitChecksums, UnitRunner } from './run-units.ts';
import type { Unit } from './write-plan.ts';

/** Units to run, or (with checksums) to compare with what stands in the files. */
export interface UnitBatch {
  readonly units: readonly Unit[];
  readonly checksums?: readonly UnitChecksums[];
}

/** Results up to the unit that failed. */
export interface BatchResult {
  readonly checksums: readonly UnitChecksums[];
  /** Of a comparison. */
  readonly held: readonly boolean[];
  /** An error with a code: the class does not survive the way to another thread, its record does. */
  readonly failure?: DiagnosticRecord;
}

export function runBatch(runner: UnitRunner, { units, checksums }: UnitBatch): BatchResult {
  const made: UnitChecksums[] = [];
  const held: boolean[] = [];
  try {
    for (const [index, unit] of units.entries()) {
      const expected = checksums?.[index];
      if (expected === undefined) made.push(runner.run(unit));
      else held.push(runner.holds(unit, expected));
    }
  } catch (error) {
    if (error instanceof VlmError) return { checksums: made, held, failure: error.record };
    throw error;
  }
  return { checksums: made, held };
}
