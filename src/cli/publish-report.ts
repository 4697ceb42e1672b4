/** Where a check's report goes besides the output folder: JUnit XML for CI, the summary of a GitHub step. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ParityReport } from '../index.ts';
import { diagnostic, fail, formatDiagnostic, VlmError } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import type { Io } from './io.ts';

/**
 * Runs what ends in a report. `junit` (absolute): where the report is to go, so that a path that cannot be is met before
 * the work (VC5120); when the work fails the file says so, for an earlier one would seem to be this run's.
 */
export async function withJunit<T>(junit: string | undefined, work: () => Promise<T>): Promise<T> {
  if (junit === undefined) return work();
  try {
    await mkdir(dirname(junit), { recursive: true });
  } catch (cause) {
    throw fail('VC5120', { where: junit, found: systemReason(cause), cause });
  }
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    const { renderJunitError } = await import('../index.ts');
    // What went wrong first is what the user is told.
    await writeFile(junit, renderJunitError('vlm-convert', error.record)).catch(() => {});
    throw error;
  }
}

/** `junit`: absolute. Throws VC5120; a step's summary that cannot be written is a warning. */
export async function publishReport(report: ParityReport, junit: string | undefined, io: Io): Promise<void> {
  const { renderJunit, renderMarkdown } = await import('../index.ts');
  if (junit !== undefined) {
    try {
      await writeFile(junit, renderJunit(report));
    } catch (cause) {
      throw fail('VC5120', { where: junit, found: systemReason(cause), cause });
    }
  }
  if (io.stepSummary === undefined) return;
  try {
    await appendFile(io.stepSummary, renderMarkdown(report));
  } catch (cause) {
    const record = diagnostic('VC5121', { where: io.stepSummary, found: systemReason(cause) });
    io.err(`${formatDiagnostic(record)}\n`);
  }
}
