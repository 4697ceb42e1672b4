/** The coverage table: per component and kind of weight, how many bytes went to which format, and why any stayed. */
import type { WeightRecord } from '../../passes/pass.ts';

export interface CoverageRow {
  readonly component: string;
  /** Operator that reads the weights. */
  readonly use: string;
  readonly format: string;
  readonly reason?: string;
  readonly weights: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/**
 * Sums the weight records of a component's passes, in the order the passes ran. Where several passes touched a
 * weight the last one says what became of it, the first one what it was.
 */
export function coverageRows(component: string, records: readonly WeightRecord[]): readonly CoverageRow[] {
  const last = new Map<string, WeightRecord>();
  for (const record of records) {
    const before = last.get(record.weight)?.bytesBefore ?? record.bytesBefore;
    last.set(record.weight, { ...record, bytesBefore: before });
  }
  const rows = new Map<string, CoverageRow>();
  for (const record of last.values()) {
    const key = JSON.stringify([record.use, record.format, record.reason ?? '']);
    const row = rows.get(key);
    rows.set(key, {
      component,
      use: record.use,
      format: record.format,
      ...(record.reason === undefined ? {} : { reason: record.reason }),
      weights: (row?.weights ?? 0) + 1,
      bytesBefore: (row?.bytesBefore ?? 0) + record.bytesBefore,
      bytesAfter: (row?.bytesAfter ?? 0) + record.bytesAfter,
    });
  }
  return [...rows.values()].sort((a, b) => b.bytesAfter - a.bytesAfter || (a.use < b.use ? -1 : 1));
}
