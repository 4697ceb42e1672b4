/** Where a check's report goes besides the output folder: JUnit XML for CI, the summary of a GitHub step. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ParityReport } from '../index.ts';
import { diagnostic, fail, formatDiagnostic } from '../report/diagnostics.ts';
import { systemReason } from '../report/show.ts';
import type { Io } from './io.ts';

/** Makes the folder of `--junit`, so that a path that cannot be is met before the work. Throws VC5120. */
export async function prepareJunit(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (cause) {
    throw fail('VC5120', { where: path, found: systemReason(cause), cause });
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
