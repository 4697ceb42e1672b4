/** The report as JSON text: stable key order, numbers to six digits, so that two runs differ only in `timing`. */
import type { GraphReport } from './graph-report.ts';
import type { ParityReport } from './report.ts';

/** More digits of an error than this are noise of the machine. */
const digits = 6;

/** Infinite numbers, which JSON lacks, become null; a gate on one has failed. */
export function renderJson(report: ParityReport | GraphReport): string {
  const text = JSON.stringify(
    report,
    (_key, value: unknown) =>
      typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)
        ? Number(value.toPrecision(digits))
        : value,
    2,
  );
  return `${text}\n`;
}
