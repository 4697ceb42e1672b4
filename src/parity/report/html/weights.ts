/** Coverage: which share of a component's bytes is in which format, and why the rest stayed as it was. */
import { formatBytes } from '../../../report/format.ts';
import type { CoverageRow } from '../coverage.ts';
import type { ParityReport } from '../report.ts';
import { html, type Markup } from './markup.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

export function weights(report: ParityReport): Section | undefined {
  const { coverage } = report;
  if (coverage.length === 0) return undefined;
  const formats = [...new Set(coverage.map(({ format }) => family(format)))].sort(byFamily);
  const components = [...new Set(coverage.map(({ component }) => component))];
  const widest = Math.max(
    ...components.map((component) => after(coverage.filter((row) => row.component === component))),
  );
  return {
    id: 'weights',
    short: 'Weights',
    title: 'Weights by bytes and format',
    body: html`<ul class="legend">${formats.map((format) => html`<li><i class="${colour(format)}"></i>${format}</li>`)}</ul>
${components.map((component) =>
  stack(
    component,
    coverage.filter((row) => row.component === component),
    widest,
  ),
)}
${table({
  caption: 'Weights per component, reader and format',
  columns: [
    { head: 'Component' },
    { head: 'Read by', rowHead: true },
    { head: 'Format' },
    { head: 'Weights', numeric: true },
    { head: 'Before', numeric: true },
    { head: 'After', numeric: true },
    { head: 'Why it stayed' },
  ],
  rows: coverage.map((row) => [
    row.component,
    row.use,
    row.format,
    row.weights,
    { show: formatBytes(row.bytesBefore), sort: row.bytesBefore },
    { show: formatBytes(row.bytesAfter), sort: row.bytesAfter },
    row.reason,
  ]),
})}`,
  };
}

/** A bar as long as the component's bytes are against the largest component's. */
function stack(component: string, rows: readonly CoverageRow[], widest: number): Markup {
  const total = after(rows);
  const before = rows.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0);
  const formats = [...new Set(rows.map(({ format }) => family(format)))]
    .sort(byFamily)
    .map((format) => ({ format, bytes: after(rows.filter((row) => family(row.format) === format)) }));
  const said = formats.map(({ format, bytes }) => `${format} ${formatBytes(bytes)}`).join(', ');
  const length = Math.max(1, Math.round((1000 * total) / Math.max(1, widest)) / 10);
  return html`<div class="stack-row"><b>${component}</b><span>${formatBytes(before)} → ${formatBytes(total)}</span><div class="stack" role="img" aria-label="${component}: ${said}" style="width:${length}%">${formats.map(({ format, bytes }) => html`<i class="${colour(format)}" style="flex:${bytes} 0 0" title="${format} ${formatBytes(bytes)}"></i>`)}</div></div>
`;
}

function after(rows: readonly CoverageRow[]): number {
  return rows.reduce((sum, { bytesAfter }) => sum + bytesAfter, 0);
}

/** `int4 block 32 asymmetric` is int4. */
function family(format: string): string {
  return format.split(' ')[0] ?? format;
}

/** Colours go with the format, not with its rank: the same in every report. float32 is what was left. */
const families: readonly string[] = ['int4', 'int8', 'float16', 'bfloat16', 'other', 'float32'];

function rank(format: string): number {
  const known = families.indexOf(format);
  return known === -1 ? families.indexOf('other') : known;
}

function colour(format: string): string {
  return `f${rank(format)}`;
}

function byFamily(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}
