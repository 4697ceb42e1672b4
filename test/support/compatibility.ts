/**
 * What runs where, as measured: docs/compatibility.json, and the tables in docs/models.md that are made of it. Written by
 * `npm run compatibility` (scripts/compatibility), never by hand.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const docs = resolve(import.meta.dirname, '../../docs');
export const recordFile = resolve(docs, 'compatibility.json');
export const pageFile = resolve(docs, 'models.md');

export const precisions = ['fp32', 'fp16', 'int8', 'int4'] as const;

/**
 * `same`: the tokens, or the picture, of onnxruntime-node on the CPU with the same precision. `other`: it runs, and tokens differ, as they
 * may where kernels round otherwise. `refused`: with a code.
 */
export type Outcome = 'same' | 'other' | 'refused' | 'failed';

export interface ClientCell {
  readonly family: string;
  /** What was asked for; left out: an answer. */
  readonly task?: 'draw';
  readonly client: string;
  readonly precision: string;
  readonly outcome: Outcome;
}

export interface TargetCell {
  readonly family: string;
  readonly component: string;
  readonly precision: string;
  readonly target: string;
  /** Every gate of this component was passed. */
  readonly passed: boolean;
  /** Nodes on the target, and in all; unknown without a record. */
  readonly nodes?: readonly [number, number];
}

export interface Compatibility {
  /** Of everything that ran. */
  readonly versions: Readonly<Record<string, string>>;
  readonly targets: readonly TargetCell[];
  readonly clients: readonly ClientCell[];
}

export function readRecord(): Compatibility {
  return JSON.parse(readFileSync(recordFile, 'utf8')) as Compatibility;
}

/** The record as text, a cell in a line. */
export function recordText({ versions, targets, clients }: Compatibility): string {
  const lines = (cells: readonly object[]): string =>
    `[\n${cells.map((cell) => `    ${JSON.stringify(cell)}`).join(',\n')}\n  ]`;
  return `{\n  "versions": ${JSON.stringify(versions)},\n  "targets": ${lines(targets)},\n  "clients": ${lines(clients)}\n}\n`;
}

const begin = '<!-- compatibility: written by `npm run compatibility` -->';
const end = '<!-- /compatibility -->';

/** The page with the tables of a record in their place. */
export function withTables(page: string, record: Compatibility): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from === -1 || to < from) throw new Error(`${pageFile} has no place for the tables`);
  return `${page.slice(0, from)}${begin}\n${tables(record)}\n${page.slice(to)}`;
}

function tables({ versions, targets, clients }: Compatibility): string {
  const families = unique(targets.map(({ family }) => family));
  const names = unique(clients.map(({ client }) => client));
  const targetNames = unique(targets.map(({ target }) => target));
  return [
    `Run with ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
    table(
      ['Family', 'Component', ...targetNames],
      families.flatMap((family) =>
        unique(targets.filter((cell) => cell.family === family).map(({ component }) => component)).map(
          (component) => [
            family,
            component,
            ...targetNames.map((target) =>
              targetText(
                targets.filter(
                  (cell) => cell.family === family && cell.component === component && cell.target === target,
                ),
              ),
            ),
          ],
        ),
      ),
    ),
    '',
    table(
      ['Family', ...names],
      families.flatMap((family) => {
        const own = clients.filter((cell) => cell.family === family);
        return unique(own.map(({ task }) => task)).map((task) => [
          task === undefined ? family : `${family}, pictures drawn`,
          ...names.map((client) =>
            clientText(own.filter((cell) => cell.task === task && cell.client === client)),
          ),
        ]);
      }),
    ),
  ].join('\n');
}

/** Precisions that passed, those together that ran on the target alike: `fp32 int8 (all nodes), int4 (93 %)`. */
function targetText(cells: readonly TargetCell[]): string {
  const shares = cells
    .filter(({ passed }) => passed)
    .map(({ precision, nodes }) => [precision, shareText(nodes)] as const);
  return grouped(shares, (share) => (share === '' ? '' : ` (${share})`)) || '–';
}

function shareText(nodes: TargetCell['nodes']): string {
  if (nodes === undefined) return 'placement not known';
  const [own, all] = nodes;
  return own === all ? '' : `${Math.floor((100 * own) / all)} % of nodes, the rest on the CPU`;
}

const marks: Readonly<Record<Outcome, string>> = {
  same: '',
  other: ' (other tokens)',
  refused: 'refused',
  failed: 'fails',
};

function markOf(outcome: Outcome, task: ClientCell['task']): string {
  if (outcome === 'other' && task === 'draw') return ' (another picture)';
  return outcome === 'failed' || outcome === 'refused' ? `: ${marks[outcome]}` : marks[outcome];
}

function clientText(cells: readonly ClientCell[]): string {
  if (cells.length === 0) return 'not run';
  if (cells.every(({ outcome }) => outcome === 'refused')) return '–';
  return grouped(
    cells.map(({ precision, outcome, task }) => [precision, markOf(outcome, task)] as const),
    (mark) => mark,
  );
}

function grouped<T>(pairs: readonly (readonly [string, T])[], mark: (key: T) => string): string {
  return unique(pairs.map(([, key]) => key))
    .map((key) => {
      const own = pairs.filter(([, each]) => each === key).map(([precision]) => precision);
      return `${own.join(' ')}${mark(key)}`;
    })
    .join(', ');
}

function unique<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
