/** What the nodes ran on, as the runtime recorded it, and what fell back from the device that was asked for. */
import { plural } from '../../../report/format.ts';
import type { ParityReport, Placement } from '../report.ts';
import { html, type Markup } from './markup.ts';
import type { Section } from './section.ts';
import { table } from './table.ts';

export function placement(report: ParityReport): Section | undefined {
  const placed = report.placement ?? [];
  if (placed.length === 0) return undefined;
  return {
    id: 'placement',
    short: 'Placement',
    title: 'What ran where',
    lead: 'From the record that the runtime keeps of each run, not from what was asked for.',
    body: html`${table({
      caption: 'Nodes per graph and execution provider',
      columns: [
        { head: 'Component', rowHead: true },
        { head: 'Build' },
        { head: 'Asked for' },
        { head: 'Proven' },
        { head: 'Ran on' },
        { head: 'Nodes', numeric: true },
        { head: 'Operators' },
        { head: 'Fell back', numeric: true },
      ],
      rows: placed.flatMap((one) => rows(one)),
    })}${placed.map(fallbacks)}`,
  };
}

function rows(one: Placement): Parameters<typeof table>[0]['rows'] {
  const { component, build, device, proven, providers, fellBack } = one;
  const state = proven
    ? ({ show: '✓ yes', sort: 'yes', tone: 'good' } as const)
    : ({ show: '✗ no record', sort: 'no', tone: 'bad' } as const);
  if (providers.length === 0) return [[component, build, device, state]];
  return providers.map(({ provider, nodes, operators }) => [
    component,
    build,
    device,
    state,
    provider,
    nodes,
    Object.entries(operators)
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .map(([operator, count]) => `${operator} ${count}`)
      .join(', '),
    proven ? fellBack.length : undefined,
  ]);
}

function fallbacks({ component, build, device, fellBack }: Placement): Markup | undefined {
  if (fellBack.length === 0) return undefined;
  return html`<details><summary>${plural(fellBack.length, 'node')} of ${component} (${build}) that ${device} did not run</summary>
${table({
  caption: `Nodes of ${component} (${build}) that fell back`,
  columns: [{ head: 'Node', rowHead: true, code: true }, { head: 'Operator' }],
  rows: fellBack.map(({ node, operator }) => [node, operator]),
})}</details>
`;
}
