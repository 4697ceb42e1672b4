/** The parts of the page that are tables and lists: gates, numbers, passes, warnings, how it was measured. */
import { plural } from '../../../report/format.ts';
import { methodLines } from '../method.ts';
import type { ParityReport } from '../report.ts';
import {
  adapterName,
  formatNumber,
  gateLimit,
  isQuiet,
  levelTitles,
  shareText,
  untrainedViews,
  usedShare,
  viewName,
} from '../text.ts';
import { html, type Markup } from './markup.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

export function gates(report: ParityReport): Section {
  const quiet = report.gates.filter(isQuiet).length;
  return {
    id: 'gates',
    short: 'Gates',
    title: 'Gates',
    lead: [...new Set(report.gates.map(({ level }) => level))]
      .map((level) => `${levelTitles[level]}.`)
      .join(' '),
    body: html`${table({
      caption: 'All gates: what was measured, what was allowed',
      columns: [
        { head: 'Verdict' },
        { head: 'Level' },
        { head: 'Output', rowHead: true },
        { head: 'Fed' },
        { head: 'Metric' },
        { head: 'Measured', numeric: true },
        { head: 'Limit', numeric: true },
        { head: 'Used', numeric: true },
        { head: 'Worst at', wide: true },
      ],
      rows: report.gates
        .filter((gate) => !isQuiet(gate))
        .map((gate) => [
          gate.passed ? { show: '✓ ok', tone: 'good' } : { show: '✗ FAIL', tone: 'bad' },
          gate.level,
          gate.output,
          gate.feed,
          gate.metric,
          gate.value,
          { show: gateLimit(gate), sort: gate.limit },
          { show: shareText(usedShare(gate)), sort: usedShare(gate) },
          gate.where,
        ]),
    })}${quiet === 0 ? undefined : html`<p class="note">${plural(quiet, 'more gate')} passed that ask for finite numbers only. "Used" is the share of what the limit allows.</p>`}`,
  };
}

export function numbers(report: ParityReport): Section {
  const all = report.levels.flatMap(({ level, outputs }) => outputs.map((one) => ({ level, ...one })));
  const spread = all.filter(({ metrics }) => metrics.quantiles !== undefined);
  const tolerated = all.filter(({ metrics }) => metrics.tolerances !== undefined);
  const atols = tolerated[0]?.metrics.tolerances?.map(({ atol }) => atol) ?? [];
  const first = [{ head: 'Level' }, { head: 'Output', rowHead: true }, { head: 'Fed' }];
  return {
    id: 'numbers',
    short: 'Numbers',
    title: 'All numbers',
    lead: 'Max and mean are absolute errors over the standard deviation of the reference; relative is ‖error‖ / ‖reference‖.',
    body: html`${table({
      caption: 'Everything measured, per level and output',
      columns: [
        ...first,
        { head: 'Rows', numeric: true },
        { head: 'Max', numeric: true },
        { head: 'Mean', numeric: true },
        { head: 'Relative', numeric: true },
        { head: 'Cosine', numeric: true },
        { head: 'Worst row', numeric: true },
        { head: 'At', wide: true },
        { head: 'Not finite', numeric: true },
      ],
      rows: all.map(({ level, output, feed, metrics }) => [
        level,
        output,
        feed,
        metrics.rows,
        metrics.maxStd,
        metrics.meanStd,
        metrics.relative,
        metrics.cosine,
        metrics.worstCosine.value,
        metrics.worstCosine.where,
        metrics.nonFinite.count,
      ]),
    })}${
      spread.length === 0
        ? undefined
        : html`<details><summary>Quantiles of the error</summary>${table({
            caption: 'Shares of the elements are off by at most so many standard deviations',
            columns: [
              ...first,
              ...['50 %', '90 %', '99 %', '99.9 %'].map((head) => ({ head, numeric: true })),
            ],
            rows: spread.map(({ level, output, feed, metrics: { quantiles } }) => [
              level,
              output,
              feed,
              quantiles?.p50,
              quantiles?.p90,
              quantiles?.p99,
              quantiles?.p999,
            ]),
          })}</details>`
    }${
      tolerated.length === 0
        ? undefined
        : html`<details><summary>Tolerances that all elements need</summary>${table({
            caption: 'The smallest rtol with |error| ≤ atol + rtol · |reference| everywhere',
            columns: [
              ...first,
              ...atols.map((atol) => ({ head: `atol ${formatNumber(atol)}`, numeric: true })),
            ],
            rows: tolerated.map(({ level, output, feed, metrics: { tolerances = [] } }) => [
              level,
              output,
              feed,
              ...atols.map((atol) => tolerances.find((one) => one.atol === atol)?.rtol),
            ]),
          })}</details>`
    }`,
  };
}

export function passes(report: ParityReport): Section | undefined {
  if (report.passes.length === 0) return undefined;
  return {
    id: 'passes',
    short: 'Passes',
    title: 'Passes',
    lead: 'What was done to the graphs, in order.',
    body: table({
      caption: 'Passes per component',
      columns: [
        { head: '#', numeric: true },
        { head: 'Component' },
        { head: 'Pass', rowHead: true, code: true },
        { head: 'Changed' },
        { head: 'Counts', wide: true },
        { head: 'Notes' },
      ],
      rows: report.passes.map(({ component, name, changed, stats, notes: said }, index) => [
        index + 1,
        component,
        name,
        changed ? 'yes' : 'no',
        Object.entries(stats)
          .filter(([, count]) => count !== 0)
          .map(([key, count]) => `${key} ${formatNumber(count)}`)
          .join(', '),
        said.join('; '),
      ]),
    }),
  };
}

export function notes(report: ParityReport): Section | undefined {
  const untrained = untrainedViews(report);
  if (report.warnings.length === 0 && untrained.length === 0) return undefined;
  return {
    id: 'warnings',
    short: 'Warnings',
    title: 'Warnings',
    body: html`${
      report.warnings.length === 0
        ? undefined
        : table({
            caption: 'Warnings of the conversion',
            columns: [
              { head: 'Code', rowHead: true },
              { head: 'Where' },
              { head: 'What' },
              { head: 'Found' },
              { head: 'Expected' },
            ],
            rows: report.warnings.map(({ code, where, message, found, expected }) => [
              code,
              where,
              message,
              found,
              expected,
            ]),
          })
    }${untrained.length === 0 ? undefined : html`<h3 class="apart">Tiles that run weights not trained for their position</h3>${list(untrained.map((view) => `${viewName(view)}: ${adapterName(view)}`))}`}`,
  };
}

export function measured(report: ParityReport): Section {
  return {
    id: 'measured',
    short: 'Method',
    title: 'How it was measured',
    body: list(methodLines(report).map((line) => line.replaceAll('`', ''))),
  };
}

function list(lines: readonly string[]): Markup {
  return html`<ul class="plain">${lines.map((line) => html`<li>${line}</li>`)}</ul>
`;
}
