/** What `opt` says of passes: a line each as they end, graphs under a heading, where the time went. */
import type { OptimizeResult, OptimizeStep } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';

/** Wide enough for the names of passes. */
const nameWidth = 20;

/** Notes of a pass that are listed; `--json` has all. */
const mostNotes = 8;

export function renderStep({
  name,
  changed,
  stats,
  notes,
  nodes,
  milliseconds,
  checkMilliseconds,
}: OptimizeStep): string {
  const counts = Object.entries(stats)
    .filter(([, count]) => count !== 0)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
  const size = nodes.before === nodes.after ? `${nodes.after}` : `${nodes.before} -> ${nodes.after}`;
  const line = [
    name.padEnd(nameWidth),
    time(milliseconds + checkMilliseconds).padStart(8),
    `  ${`${size} nodes`.padEnd(18)}`,
    changed ? counts : counts === '' ? 'nothing to do' : `unchanged: ${counts}`,
  ].join('');
  const shown = notes.slice(0, mostNotes).map((note) => `  note: ${note}`);
  const more = notes.length - shown.length;
  return [line.trimEnd(), ...shown, ...(more > 0 ? [`  and ${plural(more, 'more note')}`] : []), ''].join(
    '\n',
  );
}

export function renderGraph(title: string, text: string): string {
  return `# ${title}\n${text}\n`;
}

export function renderTiming({ steps, milliseconds }: OptimizeResult): string {
  const checks = steps.reduce((sum, step) => sum + step.checkMilliseconds, 0);
  const rows: (readonly [string, number])[] = [
    ['read', milliseconds.read],
    ...steps.map((step) => [step.name, step.milliseconds] as const),
    ['inference, verification', checks],
    ['write or print', milliseconds.write],
  ];
  const total = rows.reduce((sum, [, spent]) => sum + spent, 0);
  const percent = (spent: number): string => `${((100 * spent) / Math.max(total, 1e-9)).toFixed(0)} %`;
  return [
    'Time:',
    ...formatTable(
      [...rows, ['in all', total] as const].map(([what, spent]) => [
        `  ${what}`,
        time(spent),
        percent(spent),
      ]),
      [1, 2],
    ),
    '',
  ].join('\n');
}

/** `shown`: the output's path as the user reads it. */
export function renderOptimized({ graph, files }: OptimizeResult, shown: string): string {
  if (files === undefined) return graph ?? '';
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return `Wrote ${shown}: ${plural(files.length, 'file')}, ${formatBytes(bytes)}\n`;
}

function time(milliseconds: number): string {
  return milliseconds < 9950 ? `${milliseconds.toFixed(1)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
