/** Activations at the sizes of a sweep: the largest of each block against what float16 holds, and those nearest to it. */
import { plural } from '../../../report/format.ts';
import type { RangeReport, RangesAtSize } from '../range-report.ts';
import { leastPerValue, leastRange, rangeTitle } from '../ranges-text.ts';
import type { ParityReport } from '../report.ts';
import { html, type Markup } from './markup.ts';
import { middle, plot, unit, y } from './plot.ts';
import { decades, everyNth } from './scale.ts';
import type { Section } from './section.ts';
import { type Cell, table } from './table.ts';

/** Lines that can be told apart; more sizes are in the table alone. */
const mostLines = 6;

/** Undefined where no sweep ran. */
export function ranges({ ranges: report }: ParityReport): Section | undefined {
  if (report === undefined) return undefined;
  const ids = [...new Set(report.sizes.flatMap(({ components }) => components.map((one) => one.component)))];
  return {
    id: 'ranges',
    short: 'Ranges',
    title: 'Ranges of activations',
    lead: `The largest |activation| of each block at each size, against the largest float16, ${report.limit}. Headroom is how many times larger it could be.`,
    body: html`${sizes(report)}${ids.map((id, index) => component(report, id, index))}`,
  };
}

interface Line {
  readonly size: string;
  readonly blocks: RangesAtSize['components'][number]['blocks'];
}

function component(report: RangeReport, id: string, index: number): Markup {
  const own = report.sizes.flatMap(({ size, components }) =>
    components.filter((one) => one.component === id).map((one) => ({ size, ...one })),
  );
  const lines = own.slice(0, mostLines);
  const least = leastRange(report, id);
  const says = least === undefined ? 'Nothing was measured.' : `${least}.`;
  return html`<figure class="curve">
<figcaption><h3>${id}${own.some(({ float16 }) => float16) ? undefined : ', if it computed in float16'}</h3><p>${says}</p></figcaption>
${lines.some(({ blocks }) => blocks.length > 1) ? chart(report, id, index, lines, says) : undefined}
${nearest(report, id)}</figure>
`;
}

function chart(report: RangeReport, id: string, index: number, lines: readonly Line[], says: string): Markup {
  const names = [...new Set(lines.flatMap(({ blocks }) => blocks.map(({ name }) => name)))];
  const scale = decades([report.limit, ...lines.flatMap(({ blocks }) => blocks.map(({ max }) => max))]);
  if (scale === undefined) return html``;
  const limit = y(scale.at(report.limit));
  const path = ({ blocks }: Line): string =>
    blocks
      .map(({ name, max }, at) => {
        const x = middle(names.indexOf(name), names.length);
        return `${at === 0 ? 'M' : 'L'}${x} ${y(scale.at(max))}`;
      })
      .join('');
  return html`<ul class="legend">${lines.map(({ size }, line) => html`<li><i class="f${line}"></i>${size}</li>`)}<li><i class="bad"></i>${report.limit}</li></ul>
${plot({
  id: `ranges:${index}`,
  label: `Largest activation per block of ${id} at ${plural(lines.length, 'size')}, logarithmic. ${says} Left and right arrows read the blocks.`,
  columns: names.length,
  yTitle: 'largest |activation|, log scale',
  xTitle: 'block',
  yTicks: scale.ticks,
  xTicks: everyNth(names.length, 8).map((at) => ({ at: (at + 0.5) / names.length, label: String(at) })),
  marks: html`<path class="line limit" d="M0 ${limit}H${unit}"/>${lines.map((line, at) => html`<path class="line s${at}" d="${path(line)}"/>`)}`,
})}`;
}

function nearest(report: RangeReport, id: string): Markup {
  return html`<details><summary>Values of ${id} nearest to the end of float16</summary>
${table({
  caption: `Values of ${id} with the least headroom over all sizes`,
  columns: [
    { head: 'Node', rowHead: true, code: true },
    { head: 'Operator', code: true },
    { head: 'Block', code: true },
    { head: 'Largest', numeric: true },
    { head: 'Headroom', numeric: true },
    { head: 'At size' },
    { head: 'Where', wide: true },
    { head: 'Held by' },
  ],
  rows: leastPerValue(report, id).map(({ size, node, operator, block, max, headroom, where, fused }) => [
    node,
    operator,
    block,
    max,
    room(headroom),
    size,
    where,
    fused ? 'fused attention' : 'the graph',
  ]),
})}</details>
`;
}

function room(headroom: number): Cell {
  return headroom < 1 ? { show: rangeTitle(headroom), sort: headroom, tone: 'bad' } : headroom;
}

function sizes(report: RangeReport): Markup {
  return table({
    caption: 'Least headroom per size and component',
    columns: [
      { head: 'Size', rowHead: true },
      { head: 'Picture', wide: true },
      { head: 'Tokens', numeric: true },
      { head: 'Prompt', numeric: true },
      { head: 'Component' },
      { head: 'Values', numeric: true },
      { head: 'Least headroom', numeric: true },
      { head: 'Node', code: true },
      { head: 'Where', wide: true },
      { head: 'First beyond float16', wide: true },
    ],
    rows: report.sizes.flatMap(({ size, summary, tokens, promptTokens, components }) =>
      components.map(({ component: id, values, nearest: [first], nonFinite }) => [
        size,
        summary,
        tokens,
        promptTokens,
        id,
        values,
        first === undefined ? undefined : room(first.headroom),
        first?.node,
        first?.where,
        nonFinite === undefined ? '' : { show: `${nonFinite.node}, ${nonFinite.where}`, tone: 'bad' },
      ]),
    ),
  });
}
