/** Error per block of one component: what each block adds by itself, and what has added up so far. */
import { formatBytes, plural } from '../../../report/format.ts';
import type { Level } from '../../gates.ts';
import {
  type Block,
  blockError,
  finiteBlock,
  type WorstBlock,
  worstBlock,
  worstBlockText,
} from '../blocks.ts';
import type { Finding } from '../finding.ts';
import type { BlockMetrics, ErrorCurve, ParityReport } from '../report.ts';
import { html, type Markup } from './markup.ts';
import { middle, plot, unit, y } from './plot.ts';
import { decades, everyNth, type LogScale } from './scale.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

interface Series {
  readonly name: string;
  /** Class of its line and dots. */
  readonly kind: 'accumulated' | 'local' | 'tight';
  readonly of: (block: Block) => BlockMetrics | undefined;
}

const accumulated: Series = {
  name: 'accumulated: fed by its own predecessors',
  kind: 'accumulated',
  of: (block) => block.accumulated,
};
const local: Series = {
  name: "local: fed with the reference's activations",
  kind: 'local',
  of: (block) => block.local,
};
/** Drawn where a block stands out in them; otherwise they lie at the foot. */
const tight: Readonly<Partial<Record<Level, Series>>> = {
  rewrite: { name: 'local, original weights (rewrite)', kind: 'tight', of: (block) => block.rewrite },
  implementation: {
    name: 'local, same rounded weights (implementation)',
    kind: 'tight',
    of: (block) => block.implementation,
  },
};

export function curveChart(curve: ErrorCurve, index: number, findings: readonly Finding[]): Markup {
  const { component, blocks } = curve;
  const worst = worstBlock(curve, findings);
  const last = blocks.at(-1);
  if (worst === undefined || last === undefined) return html``;
  const own = worstBlockText(worst);
  const says = `${own.charAt(0).toUpperCase()}${own.slice(1)}; ${blockError(last.accumulated)} has added up at the end.`;
  return html`<figure class="curve">
<figcaption><h3>${component}, ${plural(blocks.length, 'block')}</h3><p>${says}</p></figcaption>
${blocks.length === 1 ? undefined : chart(curve, index, worst, says)}
${blockTable(curve)}</figure>
`;
}

function chart({ component, blocks }: ErrorCurve, index: number, worst: WorstBlock, says: string): Markup {
  const extra = worst.blamed ? tight[worst.level] : undefined;
  const all = [accumulated, local, ...(extra === undefined ? [] : [extra])];
  const scale = decades(all.flatMap(({ of }) => blocks.flatMap((block) => of(block)?.relative ?? [])));
  if (scale === undefined) return html`<p class="note">No block differs from the reference at all.</p>`;
  const some = everyNth(blocks.length, 8);
  const bad = all.flatMap((series) => points(blocks, series, scale).filter(({ finite }) => !finite));
  return html`<ul class="legend">${all.map(({ name, kind }) => html`<li><i class="${kind}"></i>${name}</li>`)}${bad.length === 0 ? undefined : html`<li><i class="bad"></i>not finite</li>`}</ul>
${plot({
  id: `curve:${index}`,
  label: `Relative error per block of ${component}, logarithmic. ${says} Left and right arrows read the blocks.`,
  columns: blocks.length,
  yTitle: 'relative error, log scale',
  xTitle: 'block',
  yTicks: scale.ticks,
  xTicks: some.map((block) => ({ at: (block + 0.5) / blocks.length, label: String(block) })),
  marks: html`${worst.blamed ? column(worst, blocks.length) : undefined}${all.map((series) => drawSeries(series.kind, points(blocks, series, scale)))}${bad.length === 0 ? undefined : html`<path class="dots bad" d="${dots(bad)}"/>`}`,
})}`;
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly finite: boolean;
}

/** What is not finite lies at the top. */
function points(blocks: readonly Block[], { of }: Series, scale: LogScale): readonly Point[] {
  return blocks.flatMap((block, index) => {
    const metrics = of(block);
    if (metrics === undefined) return [];
    const finite = finiteBlock(metrics);
    return [{ x: middle(index, blocks.length), y: y(finite ? scale.at(metrics.relative) : 1), finite }];
  });
}

function drawSeries(kind: Series['kind'], all: readonly Point[]): Markup {
  const line = all.map((point, index) => `${index === 0 ? 'M' : 'L'}${point.x} ${point.y}`).join('');
  const marks = dots(all.filter(({ finite }) => finite));
  return html`<path class="line ${kind}" d="${line}"/><path class="dots ring" d="${marks}"/><path class="dots ${kind}" d="${marks}"/>`;
}

/** Strokes of no length: round caps make dots that do not stretch with the chart. */
function dots(all: readonly Point[]): string {
  return all.map((point) => `M${point.x} ${point.y}h.01`).join('');
}

function column({ index, level }: WorstBlock, count: number): Markup {
  const width = unit / count;
  return html`<rect class="worst" data-level="${level}" x="${Math.round(index * width)}" y="0" width="${Math.max(1, Math.round(width))}" height="${unit}"/>`;
}

function blockTable({ component, blocks }: ErrorCurve): Markup {
  return html`<details><summary>All blocks of ${component} as a table</summary>
${table({
  caption: `Error per block of ${component}`,
  columns: [
    { head: 'Block', numeric: true },
    { head: 'Ends in', rowHead: true, code: true },
    { head: 'Rewrite', numeric: true },
    { head: 'Implementation', numeric: true },
    { head: 'Local', numeric: true },
    { head: 'Accumulated', numeric: true },
    { head: 'Local max / std', numeric: true },
    { head: 'Worst at', wide: true },
    { head: 'Not finite', numeric: true },
    { head: 'Nodes', numeric: true },
    { head: 'Weights', numeric: true },
  ],
  rows: blocks.map(
    ({ name, rewrite, implementation, local: own, accumulated: sum, nodes, weightBytes }, index) => [
      index,
      name,
      rewrite?.relative,
      implementation?.relative,
      own.relative,
      sum.relative,
      own.max,
      own.worst,
      own.nonFinite + sum.nonFinite,
      nodes,
      { show: formatBytes(weightBytes), sort: weightBytes },
    ],
  ),
})}</details>
`;
}

/** The part of the page; undefined when the graphs were not run block by block. */
export function errorsPerBlock({ curves, findings }: ParityReport): Section | undefined {
  const drawn = (curves ?? []).filter(({ blocks }) => blocks.length > 0);
  if (drawn.length === 0) return undefined;
  return {
    id: 'blocks',
    short: 'Blocks',
    title: 'Error per block',
    lead: 'Where along the depth the error comes from (local) and what becomes of it (accumulated).',
    body: html`${(curves ?? []).map((curve, index) => curveChart(curve, index, findings))}`,
  };
}
