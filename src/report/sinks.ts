/**
 * Reporters without a terminal's help: one that says nothing, and one that writes plain lines (logs, CI).
 * Warnings are grouped by code: a code's title and hint stand once, its places below.
 */
import type { DiagnosticRecord } from './diagnostics.ts';
import { formatBytes } from './format.ts';
import type { Progress, Reporter } from './progress.ts';

export const silentReporter: Reporter = {
  stages: () => {},
  start: () => {},
  progress: () => {},
  finish: () => {},
  warn: () => {},
  close: async () => {},
};

/** Says nothing but warnings, which go to `write`. */
export function warningsReporter(write: (text: string) => void): Reporter {
  return { ...silentReporter, warn: (records) => write(formatWarnings(records)) };
}

/** Stages of fewer bytes are over before anybody asks how far they are. */
const leastBytesWithLines = 2 ** 28;

/** One line when a stage ends, and one per tenth of a stage that counts many bytes. */
export function plainReporter(out: (text: string) => void, err: (text: string) => void): Reporter {
  const titles = new Map<string, string>();
  const tenths = new Map<string, number>();
  let open: string | undefined;
  const title = (id: string): string => titles.get(id) ?? id;
  return {
    stages: (stages) => {
      for (const stage of stages) titles.set(stage.id, stage.title);
    },
    start: (id) => {
      open = id;
    },
    progress: (id, progress) => {
      if (progress.unit !== 'bytes' || progress.total < leastBytesWithLines) return;
      const tenth = Math.floor((progress.done / progress.total) * 10);
      if (tenth <= (tenths.get(id) ?? 0) || tenth >= 10) return;
      tenths.set(id, tenth);
      out(`  ${title(id)}: ${formatProgress(progress)}\n`);
    },
    finish: (id, detail) => {
      open = undefined;
      out(`- ${title(id)}${detail === undefined ? '' : `: ${detail}`}\n`);
    },
    warn: (records) => err(formatWarnings(records)),
    close: async (outcome) => {
      if (outcome === 'failed' && open !== undefined) out(`x ${title(open)}: failed\n`);
    },
  };
}

/** `40 % (1.2 GiB of 3.0 GiB)`, `3 of 8 decode`. */
export function formatProgress(progress: Progress): string {
  const text = progress.text === undefined ? '' : ` ${progress.text}`;
  if (progress.unit === 'steps' && progress.total === 0) return progress.text ?? '';
  if (progress.unit === 'steps') return `${progress.done} of ${progress.total}${text}`;
  const percent = progress.total === 0 ? 100 : Math.floor((progress.done / progress.total) * 100);
  return `${percent} % (${formatBytes(progress.done)} of ${formatBytes(progress.total)})${text}`;
}

/** The blocks a terminal shows, one per code, each ended by a newline; empty for no records. */
export function formatWarnings(records: readonly DiagnosticRecord[]): string {
  const byCode = new Map<string, DiagnosticRecord[]>();
  for (const record of records) byCode.set(record.code, [...(byCode.get(record.code) ?? []), record]);
  let text = '';
  for (const [code, group] of byCode) {
    const [first] = group;
    if (first === undefined) continue;
    text += `${first.severity} ${code}: ${first.message}\n`;
    for (const record of group) {
      const place = [
        record.where,
        record.found === undefined ? undefined : `found ${record.found}`,
        record.expected === undefined ? undefined : `expected ${record.expected}`,
      ].filter((part) => part !== undefined);
      if (place.length > 0) text += `  - ${place.join('; ')}\n`;
    }
    if (first.hint !== undefined) text += `  to do: ${first.hint}\n`;
  }
  return text;
}
