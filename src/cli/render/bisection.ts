/** What a bisection found, in the lines of a terminal: a row per pass, and where the first one at fault went wrong. */
import type { BisectResult } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';

type Component = BisectResult['components'][number];
type Fault = NonNullable<Component['fault']>;

/** `shown`: the folder of the small models as the user reads it. */
export function renderBisection({ checkpoint, device, components }: BisectResult, shown: string): string {
  const header = ['', 'component', 'pass', 'moves it by', 'allowed', 'since the start'];
  const rows = components.flatMap(({ component, passes, fault }) => [
    ...passes.map(({ pass, max, limit, accumulated, faulty }) => [
      faulty ? '  FAULT' : '',
      component,
      shortened(pass),
      number(max),
      number(limit),
      number(accumulated.max),
    ]),
    ...(fault?.kind === 'pass' ? [['  FAULT', component, shortened(fault.pass), 'throws', '', '']] : []),
  ]);
  return [
    `${checkpoint}, on ${device}: largest error of a value over its standard deviation`,
    ...formatTable([header, ...rows], [3, 4, 5]),
    ...components.flatMap((component) => faultLines(component, shown)),
    ...(components.some(({ fault }) => fault !== undefined) ? [] : ['No pass is at fault']),
    ...components.flatMap(lossLines),
    '',
  ].join('\n');
}

function faultLines({ fault, reproducer }: Component, shown: string): string[] {
  if (fault === undefined) return [];
  const { component, pass, block, node } = fault;
  const rows = [
    ...(block === undefined ? [] : [['  block', `${block}${endOf(fault)}`]]),
    ...(fault.thrown === undefined ? [] : [['  error', thrownText(fault.thrown)]]),
    ...(node === undefined ? [] : nodeRows(node)),
    ...(reproducer === undefined
      ? []
      : [
          ['  shown by', `${plural(reproducer.nodes, 'node')}, in ${shown}/${reproducer.folder}`],
          ['  see it', `cd ${shown}/${reproducer.folder} && ${reproducer.command}`],
        ]),
  ];
  return ['', `${component}: ${pass} is at fault`, ...formatTable(rows)];
}

/** Weights and blocks that are listed. */
const most = 5;

function lossLines({ component, loss }: Component): string[] {
  if (loss === undefined) return [];
  const { pass, relative, blocks, weights, advice } = loss;
  const worst = blocks.toSorted((a, b) => b.share - a.share).slice(0, most);
  const rows = weights
    .slice(0, most)
    .map(({ name, block, ofBlock, ofAll, bytes }) => [
      `  ${name}`,
      block,
      percent(ofBlock),
      percent(ofAll),
      formatBytes(bytes),
    ]);
  return [
    '',
    `${component}: ${shortened(pass)} moves its outputs by ${number(relative)} of their norm; by block ${worst
      .map(({ block, share }) => `${block} ${percent(share)}`)
      .join(', ')}`,
    ...formatTable([['  weight, best per byte', 'block', 'of block', 'of all', 'takes'], ...rows], [2, 3, 4]),
    ...(advice === undefined
      ? []
      : [
          `  ${plural(advice.keep.length, 'weight')} kept, ${formatBytes(advice.bytes)} more: ${number(relative)} becomes ${number(advice.relative)}`,
          `  --passes '${advice.passes}'`,
        ]),
  ];
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function endOf({ end }: Fault): string {
  if (end === undefined) return '';
  const { value, run, max, relative, nonFinite } = end;
  const off =
    nonFinite > 0
      ? `${plural(nonFinite, 'number')} not finite`
      : `off by ${number(max)} of std, ${number(relative)} of norm`;
  return `: ${value} ${off} (${run})`;
}

function nodeRows({ culprit, value, error, tensors }: NonNullable<Fault['node']>): string[][] {
  const { name, operator, from } = culprit;
  const made = from === undefined ? '' : `, made of ${listed(from)}`;
  return [
    ['  node', `${name} (${operator})${made}`],
    ['  first off', `${value} by ${number(error.max)} of std, though what it is computed from is not`],
    ...tensors.slice(0, 3).map((tensor) => ['  weight', `${tensor.name}: ${tensor.kind}, ${tensor.what}`]),
  ];
}

function thrownText({ code, message, found, where }: NonNullable<Fault['thrown']>): string {
  return [`${code} ${message}`, ...[found, where].filter((text) => text !== undefined)]
    .join('; ')
    .slice(0, 300);
}

function listed(names: readonly string[]): string {
  const most = 4;
  return `${names.slice(0, most).join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`;
}

/** A long list of weights to keep is cut. */
function shortened(pass: string): string {
  return pass.length > 48 ? `${pass.slice(0, 47)}…` : pass;
}

/** Two digits. */
function number(value: number): string {
  if (!Number.isFinite(value)) return 'not finite';
  if (value === 0) return '0';
  return value < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(2)));
}
