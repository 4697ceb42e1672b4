/** What became of the logits: agreement with the reference, and how the differences spread. */
import type { Interval, LogitMetrics } from '../../metrics.ts';
import type { ParityReport } from '../report.ts';
import { formatNumber } from '../text.ts';
import { histogramChart } from './histogram.ts';
import { html, type Markup } from './markup.ts';
import type { Section } from './section.ts';
import { type Cell, table } from './table.ts';

/** The part of the page; undefined when no logits were compared. */
export function logits(report: ParityReport): Section | undefined {
  const rows = report.levels.flatMap(({ level, outputs }) =>
    outputs.flatMap(({ output, feed, metrics }) =>
      metrics.logits === undefined ? [] : [[level, output, feed, ...agreement(metrics.logits)]],
    ),
  );
  if (rows.length === 0) return undefined;
  return {
    id: 'logits',
    short: 'Logits',
    title: 'Logits',
    lead: "KL divergence in nats; top-1: both pick the same token, top-5: the reference's pick is among the five best; with 95 % intervals.",
    body: html`${table({
      caption: 'Agreement of the logits',
      columns: [
        { head: 'Level', rowHead: true },
        { head: 'Output' },
        { head: 'Fed' },
        { head: 'n', numeric: true },
        { head: 'KL', numeric: true },
        { head: 'Largest KL', numeric: true },
        { head: 'At', wide: true },
        { head: 'Top-1', numeric: true },
        { head: 'Top-5', numeric: true },
        { head: 'Perplexity', numeric: true },
      ],
      rows,
    })}${charts(report)}`,
  };
}

function agreement({
  n,
  kl,
  klMax,
  top1,
  top1Interval,
  top5,
  top5Interval,
  perplexity,
}: LogitMetrics): Cell[] {
  return [
    n,
    kl,
    klMax.value,
    klMax.where,
    { show: share(top1, top1Interval), sort: top1 },
    top5 === undefined ? undefined : { show: share(top5, top5Interval), sort: top5 },
    perplexity === undefined
      ? undefined
      : {
          show: `${formatNumber(perplexity.reference)} → ${formatNumber(perplexity.output)} (${signedPercent(perplexity.change)})`,
          sort: perplexity.change,
        },
  ];
}

/** `99.3 % (98.8–99.6)`. */
function share(value: number, interval: Interval | undefined): string {
  const percent = (part: number): string => (100 * part).toFixed(1);
  const range = interval === undefined ? '' : ` (${percent(interval.low)}–${percent(interval.high)})`;
  return `${percent(value)} %${range}`;
}

/** `+3.2 %`. */
function signedPercent(change: number): string {
  const percent = formatNumber(Number((change * 100).toPrecision(2)));
  return `${change > 0 ? '+' : ''}${percent} %`;
}

function charts({ levels }: ParityReport): Markup | undefined {
  const drawn = levels.flatMap(({ level, outputs }, at) =>
    outputs.flatMap(({ output, feed, metrics: { differences } }, index) =>
      output === 'logits' && differences !== undefined && differences.counts.length > 0
        ? [histogramChart(differences, `histogram:${at}:${index}`, `${level}, fed ${feed}`)]
        : [],
    ),
  );
  if (drawn.length === 0) return undefined;
  return html`<h3 class="apart">How the differences spread</h3><p class="lead">Output less reference of each logit; the outer bins hold what lies beyond. A fault shows as mass far from the middle, or as a second hump.</p><div class="grids">${drawn}</div>`;
}
