/** Error per block of one component: what each block adds by itself, and what has added up so far. */
import { formatBytes, plural } from '../../../report/format.ts';
import type { BlockMetrics, ErrorCurve, ParityReport } from '../report.ts';
import { finiteBlock, formatNumber, standsOut, worstBlock } from '../text.ts';
import { html, type Markup } from './markup.ts';
import { middle, plot, unit, y } from './plot.ts';
import { decades, everyNth, type LogScale } from './scale.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

type Which = 'local' | 'accumulated';

export function curveChart(curve: ErrorCurve, index: number): Markup {
  const { component, blocks } = curve;
  const worst = worstBlock(curve);
  const last = blocks.at(-1);
  if (worst === undefined || last === undefined) return html``;
  const scale = decades(blocks.flatMap(({ local, accumulated }) => [local.relative, accumulated.relative]));
  const says =
    blocks.length === 1
      ? `${errorText(worst.local)} in ${worst.name}.`
      : `Largest own error ${errorText(worst.local)} in ${worst.name}; ${errorText(last.accumulated)} has added up at the end.`;
  return html`<figure class="curve">
<figcaption><h3>${component}, ${plural(blocks.length, 'block')}</h3><p>${says}</p></figcaption>
${scale === undefined ? html`<p class="note">No block differs from the reference at all.</p>` : blocks.length === 1 ? undefined : chart(curve, index, scale, says)}
${blockTable(curve)}</figure>
`;
}

function chart(curve: ErrorCurve, index: number, scale: LogScale, says: string): Markup {
  const { component, blocks } = curve;
  const largest = worstBlock(curve);
  const worst = largest !== undefined && standsOut(curve, largest) ? blocks.indexOf(largest) : -1;
  const width = unit / blocks.length;
  const x = (block: number): number => middle(block, blocks.length);
  const height = (block: number, which: Which): number => {
    const metrics = blocks[block]?.[which];
    return y(metrics === undefined || !finiteBlock(metrics) ? 1 : scale.at(metrics.relative));
  };
  const line = (which: Which): string =>
    blocks.map((_, block) => `${block === 0 ? 'M' : 'L'}${x(block)} ${height(block, which)}`).join('');
  const dots = (which: Which, wanted: (metrics: BlockMetrics) => boolean): string =>
    blocks.map((block, at) => (wanted(block[which]) ? `M${x(at)} ${height(at, which)}h.01` : '')).join('');
  const series = (which: Which): Markup =>
    html`<path class="line ${which}" d="${line(which)}"/><path class="dots ring" d="${dots(which, finiteBlock)}"/><path class="dots ${which}" d="${dots(which, finiteBlock)}"/>`;
  const bad = (['local', 'accumulated'] as const)
    .map((which) => dots(which, (metrics) => !finiteBlock(metrics)))
    .join('');
  const some = everyNth(blocks.length, 8);
  return html`<ul class="legend"><li><i class="accumulated"></i>accumulated: fed by its own predecessors</li><li><i class="local"></i>local: fed with the reference's activations</li>${bad === '' ? undefined : html`<li><i class="bad"></i>not finite</li>`}</ul>
${plot({
  id: `curve:${index}`,
  label: `Relative error per block of ${component}, logarithmic. ${says} Left and right arrows read the blocks.`,
  columns: blocks.length,
  yTitle: 'relative error, log scale',
  xTitle: 'block',
  yTicks: scale.ticks,
  xTicks: some.map((block) => ({ at: (block + 0.5) / blocks.length, label: String(block) })),
  marks: html`${worst === -1 ? undefined : html`<rect class="worst" x="${Math.round(worst * width)}" y="0" width="${Math.max(1, Math.round(width))}" height="${unit}"/>`}${series('accumulated')}${series('local')}${bad === '' ? undefined : html`<path class="dots bad" d="${bad}"/>`}`,
})}`;
}

function blockTable({ component, blocks }: ErrorCurve): Markup {
  return html`<details><summary>All blocks of ${component} as a table</summary>
${table({
  caption: `Error per block of ${component}`,
  columns: [
    { head: 'Block', numeric: true },
    { head: 'Ends in', rowHead: true, code: true },
    { head: 'Local', numeric: true },
    { head: 'Accumulated', numeric: true },
    { head: 'Local max / std', numeric: true },
    { head: 'Worst at', wide: true },
    { head: 'Not finite', numeric: true },
    { head: 'Nodes', numeric: true },
    { head: 'Weights', numeric: true },
  ],
  rows: blocks.map(({ name, local, accumulated, nodes, weightBytes }, index) => [
    index,
    name,
    local.relative,
    accumulated.relative,
    local.max,
    local.worst,
    local.nonFinite + accumulated.nonFinite,
    nodes,
    { show: formatBytes(weightBytes), sort: weightBytes },
  ]),
})}</details>
`;
}

function errorText(metrics: BlockMetrics): string {
  return finiteBlock(metrics) ? formatNumber(metrics.relative) : 'not finite';
}

/** The part of the page; undefined when the graphs were not run block by block. */
export function errorsPerBlock({ curves }: ParityReport): Section | undefined {
  const drawn = (curves ?? []).filter(({ blocks }) => blocks.length > 0);
  if (drawn.length === 0) return undefined;
  return {
    id: 'blocks',
    short: 'Blocks',
    title: 'Error per block',
    lead: 'Where along the depth the error comes from (local) and what becomes of it (accumulated).',
    body: html`${(curves ?? []).map(curveChart)}`,
  };
}
