/** The report as Markdown that a person reads in a minute: verdict, gates, worst places, tiles, coverage. */
import type { View } from '../../architectures/architecture.ts';
import { formatBytes, plural } from '../../report/format.ts';
import type { GateVerdict, Level } from '../gates.ts';
import type { LevelReport, ParityReport } from './report.ts';

export function renderMarkdown(report: ParityReport): string {
  return `${[
    ...head(report),
    ...gateTables(report),
    ...worstPlaces(report),
    ...tiles(report),
    ...coverage(report),
    ...warnings(report),
    ...how(report),
  ].join('\n')}\n`;
}

function head(report: ParityReport): string[] {
  const failed = report.gates.filter((gate) => !gate.passed);
  const verdict = report.passed
    ? `**Passed**: all ${report.gates.length} gates.`
    : `**FAILED**: ${failed.length} of ${plural(report.gates.length, 'gate')}.`;
  const { name, architecture } = report.model;
  const precision = Object.entries(report.precision)
    .map(([component, value]) => `${component} ${value}`)
    .join(', ');
  return [
    '# Parity report',
    '',
    verdict,
    '',
    `- Model: ${[name, architecture].filter((part) => typeof part === 'string').join(', ')}`,
    `- Precision: ${precision}`,
    ...(report.image === undefined ? [] : [`- Picture: ${report.image.summary}`]),
    `- Run by: ${report.runtime.name} ${report.runtime.version} on ${report.runtime.device}`,
    ...greedy(report),
  ];
}

function greedy(report: ParityReport): string[] {
  const runs = report.levels.find((level) => level.level === 'fidelity')?.greedy ?? [];
  if (runs.length === 0) return [];
  const parts = runs.map(({ agreed, of }) => `${agreed} of ${of}`).join(', ');
  return [`- Greedy tokens shared with the original before the first difference, per prompt: ${parts}`];
}

const levelTitles: Readonly<Record<Level, string>> = {
  device: 'Device: the original on the device, against the original on the CPU',
  rewrite: 'Rewrite: the graph after merging and resizing, against the original',
  implementation: 'Implementation: against the plain graph with the same rounded weights',
  fidelity: 'Fidelity: against the original weights',
};

function gateTables(report: ParityReport): string[] {
  return report.levels.flatMap(({ level }) => [
    '',
    `## ${levelTitles[level]}`,
    '',
    '| | Output | Fed | Metric | Measured | Limit | Worst at |',
    '|---|---|---|---|---:|---:|---|',
    ...report.gates.filter((gate) => gate.level === level && !isQuiet(gate)).map(gateRow),
  ]);
}

/** That every number is finite is worth a row only where it is not so. */
function isQuiet(gate: GateVerdict): boolean {
  return gate.metric === 'finite' && gate.passed;
}

function gateRow(gate: GateVerdict): string {
  const limit = `${gate.direction === 'at-most' ? '≤' : '≥'} ${number(gate.limit)}`;
  return row([
    gate.passed ? 'ok' : '**FAIL**',
    gate.output,
    gate.feed,
    gate.metric,
    number(gate.value),
    gate.from === 'user' ? `${limit} (set)` : limit,
    gate.where ?? '',
  ]);
}

function worstPlaces(report: ParityReport): string[] {
  return [
    '',
    '## All numbers',
    '',
    '`max` and `mean` are absolute errors over the standard deviation of the reference; `relative` is ‖error‖/‖reference‖.',
    '',
    '| Level | Output | Fed | n | max | mean | relative | cosine | worst row | at | KL | top-1 |',
    '|---|---|---|---:|---:|---:|---:|---:|---:|---|---:|---:|',
    ...report.levels.flatMap((level) => level.outputs.map((result) => numbersRow(level, result))),
  ];
}

function numbersRow(level: LevelReport, { output, feed, metrics }: LevelReport['outputs'][number]): string {
  const { logits } = metrics;
  return row([
    level.level,
    output,
    feed,
    String(metrics.rows),
    number(metrics.maxStd),
    number(metrics.meanStd),
    number(metrics.relative),
    number(metrics.cosine),
    number(metrics.worstCosine.value),
    metrics.worstCosine.where,
    logits === undefined ? '' : number(logits.kl),
    logits === undefined ? '' : `${logits.agreed}/${logits.n}`,
  ]);
}

function tiles(report: ParityReport): string[] {
  const untrained = report.image?.views.filter((view) => view.trained === false) ?? [];
  if (untrained.length === 0) return [];
  return [
    '',
    '## Tiles that run weights not trained for their position',
    '',
    ...untrained.map((view) => `- ${viewName(view)}: ${adapterName(view)}`),
  ];
}

function viewName(view: View): string {
  return view.kind === 'global' ? 'global view' : `tile row ${view.row ?? '?'} column ${view.column ?? '?'}`;
}

function adapterName(view: View): string {
  return typeof view.adapter === 'number' ? `adapter ${view.adapter}` : 'base weights, no adapter';
}

function coverage(report: ParityReport): string[] {
  if (report.coverage.length === 0) return [];
  return [
    '',
    '## Weights',
    '',
    '| Component | Read by | Format | Weights | Before | After | Why it stayed |',
    '|---|---|---|---:|---:|---:|---|',
    ...report.coverage.map((entry) =>
      row([
        entry.component,
        entry.use,
        entry.format,
        String(entry.weights),
        formatBytes(entry.bytesBefore),
        formatBytes(entry.bytesAfter),
        entry.reason ?? '',
      ]),
    ),
  ];
}

function warnings(report: ParityReport): string[] {
  const notes = report.passes.flatMap((pass) =>
    pass.notes.map((note) => `- ${pass.component}, ${pass.name}: ${cell(note)}`),
  );
  const records = report.warnings.map(
    (record) =>
      `- ${record.code}${record.where === undefined ? '' : ` (${cell(record.where)})`}: ${record.message}`,
  );
  return [
    ...(records.length === 0 ? [] : ['', '## Warnings', '', ...records]),
    ...(notes.length === 0 ? [] : ['', '## Notes of the passes', '', ...notes]),
  ];
}

function how(report: ParityReport): string[] {
  const { sample, runtime } = report;
  const layers = report.levels.flatMap(({ cacheLayers }) => cacheLayers ?? []);
  const prompts = sample.prompts
    .map(
      ({ tokens, imageTokens }) =>
        `${tokens} tokens${imageTokens > 0 ? ` (${imageTokens} of the picture)` : ''}`,
    )
    .join('; ');
  return [
    '',
    '## How it was measured',
    '',
    ...(sample.picture === undefined
      ? []
      : [
          `- A drawn picture of ${sample.picture.width}x${sample.picture.height}, seed ${sample.seed}, sha256 ${sample.picture.sha256.slice(0, 16)}…`,
        ]),
    `- ${plural(sample.prompts.length, 'prompt')}: ${prompts}; then ${plural(sample.decodeSteps, 'greedy step')} with cache, the reference picks the tokens`,
    `- Cache compared in ${plural(Math.min(...layers), 'layer')}`,
    "- Fed `local`: each component gets the reference's activations; `chain`: its own model's, as in use",
    ...runtime.notes.map((note) => `- ${note}`),
  ];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** Text from files must not break the table. */
function cell(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ').replaceAll('|', '\\|');
}

/** `0.9987`, `1.2e-7`: four digits. */
function number(value: number): string {
  if (Number.isInteger(value)) return String(value);
  if (!Number.isFinite(value)) return 'not finite';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}
