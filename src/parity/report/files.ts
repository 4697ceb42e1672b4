/** The report as the files of an output folder. */
import { renderHtml } from './html/page.ts';
import { renderJson } from './json.ts';
import { renderMarkdown } from './markdown.ts';
import type { ParityReport } from './report.ts';

/** Texts by file name. How long the check took stays out of them: the same inputs give the same bytes. */
export function reportFiles(report: ParityReport): ReadonlyMap<string, string> {
  const timeless = { ...report, timing: {} };
  return new Map([
    ['parity-report.json', renderJson(timeless)],
    ['parity-report.md', renderMarkdown(timeless)],
    ['parity-report.html', renderHtml(timeless)],
  ]);
}
