/** The report as Markdown that a person reads in a minute: verdict, gates, worst places, tiles, coverage. */
import { formatBytes, plural } from '../../report/format.ts';
import type { GateLevel, GateVerdict } from '../gates.ts';
import { placementLine } from '../placement.ts';
import { adapterColumns, adapterRows } from './adapters.ts';
import { blockError, blockSize, finiteBlock, worstBlock, worstBlockText } from './blocks.ts';
import { type Finding, findingText } from './finding.ts';
import { methodLines } from './method.ts';
import type { ComponentRanges } from './range-report.ts';
import { leastRange, rangeTitle } from './ranges-text.ts';
import type { BlockMetrics, ErrorCurve, LevelReport, ParityReport } from './report.ts';
import {
  adapterName,
  agreementText,
  gateLimit,
  isQuiet,
  levelTitles,
  modelText,
  formatNumber as number,
  precisionText,
  untrainedViews,
  viewName,
} from './text.ts';
import { frameLine, levelTokens, worstToken } from './tokens.ts';

export function renderMarkdown(report: ParityReport): string {
  return `${[
    ...head(report),
    ...gateTables(report),
    ...rangeTables(report),
    ...worstPlaces(report),
    ...pictures(report),
    ...curves(report),
    ...tokens(report),
    ...tiles(report),
    ...adapters(report),
    ...coverage(report),
    ...placement(report),
    ...warnings(report),
    ...how(report),
  ].join('\n')}\n`;
}

function head(report: ParityReport): string[] {
  const failed = report.gates.filter((gate) => !gate.passed);
  const verdict = report.passed
    ? `**Passed**: all ${report.gates.length} gates.`
    : `**FAILED**: ${failed.length} of ${plural(report.gates.length, 'gate')}.`;
  return [
    '# Parity report',
    '',
    verdict,
    '',
    ...report.findings.map((finding) => `- What is wrong: **${cell(findingText(finding))}**`),
    `- Model: ${modelText(report)}`,
    `- Precision: ${precisionText(report)}`,
    ...(report.image === undefined ? [] : [`- Picture: ${report.image.summary}`]),
    ...(report.audio === undefined ? [] : [`- Sound: ${report.audio.summary}`]),
    `- Run by: ${report.runtime.name} ${report.runtime.version} on ${report.runtime.device}`,
  ];
}

function gateTables(report: ParityReport): string[] {
  const swept: readonly GateLevel[] = report.gates.some(({ level }) => level === 'ranges') ? ['ranges'] : [];
  return [...report.levels.map(({ level }) => level), ...swept].flatMap((level) => [
    '',
    `## ${levelTitles[level]}`,
    '',
    '| | Output | Fed | Metric | Measured | Limit | Worst at |',
    '|---|---|---|---|---:|---:|---|',
    ...report.gates.filter((gate) => gate.level === level && !isQuiet(gate)).map(gateRow),
  ]);
}

function gateRow(gate: GateVerdict): string {
  return row([
    gate.passed ? 'ok' : '**FAIL**',
    gate.output,
    gate.feed,
    gate.metric,
    number(gate.value),
    gateLimit(gate),
    gate.where ?? '',
  ]);
}

function rangeTables({ ranges }: ParityReport): string[] {
  if (ranges === undefined) return [];
  const ids = [...new Set(ranges.sizes.flatMap(({ components }) => components.map((one) => one.component)))];
  return [
    '',
    '## Headroom of activations at each size',
    '',
    `The largest float16, ${ranges.limit}, over the largest |activation|, and the node that gives it.`,
    '',
    row(['Size', 'Picture', 'Prompt', ...ids]),
    `|---|---|---:|${ids.map(() => '---|').join('')}`,
    ...ranges.sizes.map(({ size, summary, promptTokens, components }) =>
      row([
        size,
        summary,
        String(promptTokens),
        ...ids.map((id) => {
          const one = components.find(({ component }) => component === id);
          return one === undefined ? '' : headroomCell(one);
        }),
      ]),
    ),
    '',
    ...ids.flatMap((id) => {
      const least = leastRange(ranges, id);
      return least === undefined ? [] : [`- ${id}: ${cell(least)}`];
    }),
  ];
}

function headroomCell({ nearest: [least], nonFinite, float16 }: ComponentRanges): string {
  if (least === undefined) return '';
  const room = rangeTitle(least.headroom);
  const isBeyond = least.headroom < 1 || nonFinite !== undefined;
  const said = isBeyond ? `**${room}** ${nonFinite?.node ?? least.node}` : `${room} ${least.node}`;
  return float16 ? said : `(${said})`;
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
    logits === undefined ? '' : agreementText(logits),
  ]);
}

function pictures({ levels }: ParityReport): string[] {
  const rows = levels.flatMap(({ level, outputs }) =>
    outputs.flatMap(({ feed, metrics: { picture } }) =>
      picture === undefined
        ? []
        : [
            row([
              level,
              feed,
              number(picture.psnr),
              number(picture.worstBlock.value),
              picture.worstBlock.where,
            ]),
          ],
    ),
  );
  if (rows.length === 0) return [];
  return [
    '',
    '## Drawn pictures',
    '',
    'In decibels, of 255 and after clipping; a block is 16 x 16 pixels. The page shows both pictures and their difference.',
    '',
    '| Level | Fed | PSNR | Worst block | at |',
    '|---|---|---:|---:|---|',
    ...rows,
  ];
}

/** Blocks of a component that are listed: those that add the most. */
const mostBlocks = 5;

function curves(report: ParityReport): string[] {
  const drawn = (report.curves ?? []).filter(({ blocks }) => blocks.length > 0);
  if (drawn.length === 0) return [];
  const found = drawn.flatMap((curve) => {
    const worst = worstBlock(curve, report.findings);
    return worst === undefined ? [] : [`- ${cell(`${curve.component}: ${worstBlockText(worst)}`)}`];
  });
  return [
    '',
    '## Error per block',
    '',
    ...found,
    '',
    "`local`: the block's own error, fed with the reference's activations, and the part of it that other levels see; " +
      '`accumulated`: fed by its own predecessors.',
    '',
    '| Component | Block | Ends in | Rewrite | Implementation | Local | Accumulated | Worst at |',
    '|---|---:|---|---:|---:|---:|---:|---|',
    ...drawn.flatMap((curve) => blockRows(curve, report.findings)),
  ];
}

function blockRows(curve: ErrorCurve, findings: readonly Finding[]): readonly string[] {
  const { component, blocks } = curve;
  const worst = worstBlock(curve, findings)?.index;
  const order = blocks
    .map((block, index) => ({ block, index }))
    .sort(
      (a, b) =>
        Number(b.index === worst) - Number(a.index === worst) ||
        blockSize(b.block.local) - blockSize(a.block.local) ||
        a.index - b.index,
    );
  const error = (metrics: BlockMetrics | undefined): string => {
    if (metrics === undefined) return '';
    return finiteBlock(metrics) ? blockError(metrics) : `**${blockError(metrics)}**`;
  };
  return order
    .slice(0, mostBlocks)
    .map(({ index, block }) =>
      row([
        component,
        `${index} of ${blocks.length}`,
        block.name,
        error(block.rewrite),
        error(block.implementation),
        error(block.local),
        error(block.accumulated),
        block.local.worst,
      ]),
    );
}

function tokens(report: ParityReport): string[] {
  const worst = levelTokens(report).flatMap(({ level, output, feed, tokens: maps }) => {
    const token = worstToken(maps);
    return token === undefined ? [] : [`- ${level}, ${output} fed ${feed}: ${token.text}`];
  });
  if (worst.length === 0) return [];
  if (report.audio === undefined) return ['', '## Worst token of the picture', '', ...worst];
  const curves = levelTokens(report).flatMap(({ level, output, feed, tokens: maps }) =>
    maps.flatMap((map) => {
      const line = frameLine(map);
      return line === undefined ? [] : [`- ${level}, ${output} fed ${feed}, ${line}`];
    }),
  );
  const title = 'Error along each sound, from a hundredth of the largest on';
  return ['', '## Worst frame of the sound', '', ...worst, '', `${title}:`, '', ...curves];
}

function placement(report: ParityReport): string[] {
  const lines = (report.placement ?? []).map((one) => `- ${cell(placementLine(one))}`);
  return lines.length === 0 ? [] : ['', '## What ran where', '', ...lines];
}

function tiles(report: ParityReport): string[] {
  const untrained = untrainedViews(report);
  if (untrained.length === 0) return [];
  return [
    '',
    '## Tiles that run weights not trained for their position',
    '',
    ...untrained.map((view) => `- ${viewName(view)}: ${adapterName(view)}`),
  ];
}

function adapters({ adapters: applied }: ParityReport): string[] {
  if (applied === undefined) return [];
  return [
    '',
    '## Adapters',
    '',
    row(adapterColumns),
    '|---|---|---:|---:|---:|---:|---:|---:|',
    ...adapterRows(applied).map(row),
    '',
    'A change is ‖change‖ / ‖weight‖ of one weight; the report in JSON lists all of them.',
  ];
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
  return ['', '## How it was measured', '', ...methodLines(report).map((line) => `- ${line}`)];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map(cell).join(' | ')} |`;
}

/** Text from files must not break the table. */
function cell(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ').replaceAll('|', '\\|');
}
