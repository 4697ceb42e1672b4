/**
 * docs/fusion.md: what the default pipeline finds in recorded models beside what three other optimizers find in the same
 * files. The record (docs/fusion.json) is measured by `npm run fusion-table`; the page is made of it.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { verifyAndInfer } from '../../src/graph/verify.ts';
import { census, type Meaning, meanings } from '../../src/passes/census.ts';
import { optimizePasses } from '../../src/pipeline/optimize-passes.ts';
import { runPipeline } from '../../src/pipeline/pass-manager.ts';
import { parsePipeline } from '../../src/pipeline/pipeline-text.ts';
import { recordedRuns, runOn } from '../formats/onnx/recorded-runs.ts';
import { writeModel } from '../formats/onnx/write-model.ts';
import { type OnnxCase, withModel } from '../graph/onnx-cases.ts';

export const recordFile = resolve(import.meta.dirname, '../../docs/fusion.json');
export const pageFile = resolve(import.meta.dirname, '../../docs/fusion.md');

/** Kinds of meanings that are counted together: others do not tell all of them apart. */
export const groups = ['attention', 'norms', 'activations', 'rotary'] as const;
export type Group = (typeof groups)[number];

const groupOf: Readonly<Record<Meaning, Group>> = {
  attention_blocks: 'attention',
  layer_norm: 'norms',
  rms_norm: 'norms',
  gelu_exact: 'activations',
  gelu_tanh: 'activations',
  gelu_quick: 'activations',
  silu: 'activations',
  rotary: 'rotary',
};

/** What others write, by operator (without its domain) or, of rules that leave no operator of their own, by rule. */
const peerOperators: Readonly<Record<Group, readonly string[]>> = {
  attention: ['Attention', 'MultiHeadAttention', 'GroupQueryAttention', 'QAttention'],
  norms: [
    ...['LayerNormalization', 'SkipLayerNormalization', 'EmbedLayerNormalization', 'RMSNormalization'],
    ...['SimplifiedLayerNormalization', 'SkipSimplifiedLayerNormalization'],
  ],
  activations: ['Gelu', 'BiasGelu', 'FastGelu', 'QuickGelu'],
  rotary: ['RotaryEmbedding'],
};
const peerRules: Readonly<Record<Group, readonly string[]>> = {
  attention: [],
  norms: ['rms_normalization'],
  activations: ['gelu', 'erf_gelu'],
  rotary: ['rotary_embedding'],
};

export const peers = {
  onnxruntime_extended: 'onnxruntime, level extended',
  'onnxruntime.transformers': 'onnxruntime.transformers',
  'onnxscript.ort_fusions': 'onnxscript ort_fusions',
} as const;
export type Peer = keyof typeof peers;

interface PeerJson {
  readonly nodes?: number;
  readonly fused?: Readonly<Record<string, number>>;
  readonly ops?: Readonly<Record<string, number>>;
  readonly max_abs_diff?: number;
  readonly error?: string;
}

interface CaseJson {
  readonly nodes?: number;
  readonly expected?: Readonly<Record<string, number>>;
  readonly peer_fusions?: Readonly<Partial<Record<Peer, PeerJson>>>;
  readonly versions?: Readonly<Record<string, string>>;
}

type Counts = Readonly<Partial<Record<Group, number>>>;

export interface PeerRow {
  readonly found: Counts;
  readonly nodes?: number;
  readonly difference?: number;
  /** The graph that it makes cannot be run. */
  readonly broken?: true;
}

export interface FusionRow {
  readonly case: string;
  /** Calls of the source model. */
  readonly expected: Counts;
  /** Found, and of these the ones that became one operator. */
  readonly found: Counts;
  readonly operators: Counts;
  readonly nodes: { readonly before: number; readonly after: number };
  /** Largest absolute difference from the recorded outputs, and over the standard deviation of its output. */
  readonly difference: number;
  readonly deviation: number;
  readonly peers: Readonly<Partial<Record<Peer, PeerRow>>>;
}

export interface FusionRecord {
  readonly passes: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly FusionRow[];
}

export function readRecord(): FusionRecord {
  return JSON.parse(readFileSync(recordFile, 'utf8')) as FusionRecord;
}

export function recordText(record: FusionRecord): string {
  return `${JSON.stringify(record, null, 1)}\n`;
}

/** Runs a case through the default pipeline; undefined where nothing says what its source calls. */
export async function measure({ name, folder, models }: OnnxCase): Promise<FusionRow | undefined> {
  const json = caseJson(folder);
  const [file] = models;
  if (json.expected === undefined || file === undefined) return undefined;
  const root = await mkdtemp(join(tmpdir(), 'vlm-fusion-'));
  try {
    const { counts, nodes } = await withModel(join(folder, file), async (model) => {
      verifyAndInfer(model);
      const before = model.graph.nodeCount;
      await runPipeline(model, parsePipeline(optimizePasses));
      await writeModel(root, model, { fileName: 'out' });
      return { counts: census(model), nodes: { before, after: model.graph.nodeCount } };
    });
    return {
      case: name,
      expected: grouped((meaning) => json.expected?.[meaning] ?? 0),
      found: grouped((meaning) => counts.get(meaning)?.found ?? 0),
      operators: grouped((meaning) =>
        [...(counts.get(meaning)?.operators.values() ?? [])].reduce((sum, count) => sum + count, 0),
      ),
      nodes,
      ...(await differences(join(root, 'out.onnx'), folder, file)),
      peers: Object.fromEntries(
        Object.entries(json.peer_fusions ?? {}).map(([peer, value]) => [peer, peerRow(value)]),
      ),
    };
  } finally {
    await rm(root, { recursive: true });
  }
}

export function caseJson(folder: string): CaseJson {
  return JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CaseJson;
}

function grouped(count: (meaning: Meaning) => number): Counts {
  const sums: Partial<Record<Group, number>> = {};
  for (const meaning of meanings) {
    const found = count(meaning);
    if (found > 0) sums[groupOf[meaning]] = (sums[groupOf[meaning]] ?? 0) + found;
  }
  return sums;
}

function peerRow({ nodes, fused = {}, ops, max_abs_diff: difference, error }: PeerJson): PeerRow {
  const written = Object.entries(ops ?? fused).map(
    ([op, count]) => [op.replace(/^.*::/, ''), count] as const,
  );
  const found: Partial<Record<Group, number>> = {};
  for (const group of groups) {
    const operators = written.filter(([op]) => peerOperators[group].includes(op));
    const rules = Object.entries(fused).filter(([rule]) => peerRules[group].includes(rule));
    const sum = (all: readonly (readonly [string, number])[]) => all.reduce((total, [, n]) => total + n, 0);
    const count = Math.max(sum(operators), sum(rules));
    if (count > 0) found[group] = count;
  }
  return {
    found,
    ...(nodes === undefined ? {} : { nodes }),
    ...(difference === undefined ? {} : { difference }),
    ...(error === undefined ? {} : { broken: true }),
  };
}

async function differences(
  path: string,
  folder: string,
  file: string,
): Promise<Pick<FusionRow, 'difference' | 'deviation'>> {
  let [difference, deviation] = [0, 0];
  for (const run of await recordedRuns(folder, file)) {
    for (const [port, { data }] of await runOn(path, run)) {
      const wanted = Float64Array.from(run.outputs.get(port)?.value.data ?? [], Number);
      let [sum, squares, largest] = [0, 0, 0];
      for (const [index, value] of wanted.entries()) {
        sum += value;
        squares += value * value;
        largest = Math.max(largest, Math.abs(Number(data[index]) - value));
      }
      const mean = sum / wanted.length;
      const std = Math.sqrt(Math.max(squares / wanted.length - mean * mean, 0));
      difference = Math.max(difference, largest);
      if (largest > 0) deviation = Math.max(deviation, largest / std);
    }
  }
  return { difference: rounded(difference), deviation: rounded(deviation) };
}

/** Two digits: more of an error are noise of the machine. */
function rounded(value: number): number {
  return Number(value.toPrecision(2));
}

export function pageText({ passes, versions, rows }: FusionRecord): string {
  const sorted = rows.toSorted((a, b) => (a.case < b.case ? -1 : 1));
  return [
    '# What passes find in exported models',
    '',
    'Written by `npm run fusion-table` over recorded models of several exporters; `test/docs/fusion.test.ts` holds the page to',
    'the record (docs/fusion.json), and the record to what the passes find today. *Source* is how often the PyTorch model',
    'calls a module or function of the kind while it runs once, which is the most that can be found. *Found* is what stands in the',
    'graph after the default pipeline, as one operator or, where a target has no operator for it or loses by it, spelled out and',
    'marked (`vlm-convert.means`): attention of a target without a kernel, SiLU where no operator exists, values that a quantized',
    'graph reads inside. Of the others their operators count, whatever they compute: bold marks graphs that no longer load.',
    '',
    `Pipeline: \`${passes}\`, for targets cpu and webgpu.`,
    '',
    `Others: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(
        ', ',
      )}; onnxruntime's own optimisation at level extended, onnxruntime.transformers.optimizer, and onnxscript's`,
    'rules for onnxruntime (`optimize_for_ort`).',
    '',
    '## In all',
    '',
    ...markdown(
      ['', 'source', 'found', 'of these operators', ...Object.values(peers)],
      groups.map((group) => {
        const total = (count: (row: FusionRow) => number | undefined): string =>
          String(sorted.reduce((sum, row) => sum + (count(row) ?? 0), 0));
        return [
          group,
          total(({ expected }) => expected[group]),
          total(({ found }) => found[group]),
          total(({ operators }) => operators[group]),
          ...(Object.keys(peers) as Peer[]).map((peer) =>
            total(({ peers: others }) => (others[peer]?.broken === true ? 0 : others[peer]?.found[group])),
          ),
        ];
      }),
    ),
    '',
    'What a graph that no longer loads holds is not counted.',
    ...groups.flatMap((group) => [
      '',
      `## ${group}`,
      '',
      ...markdown(
        ['case', 'source', 'found', 'of these operators', ...Object.values(peers)],
        sorted
          .filter(({ expected, found }) => (expected[group] ?? 0) + (found[group] ?? 0) > 0)
          .map((row) => [
            row.case.replace(/^onnx-import\//, ''),
            String(row.expected[group] ?? 0),
            String(row.found[group] ?? 0),
            String(row.operators[group] ?? 0),
            ...(Object.keys(peers) as Peer[]).map((peer) => {
              const other = row.peers[peer];
              if (other === undefined) return '–';
              const count = String(other.found[group] ?? 0);
              return other.broken === true ? `**${count}**` : count;
            }),
          ]),
      ),
    ]),
    '',
    '## Nodes and numbers',
    '',
    'Nodes of the graph, and the largest absolute difference from the recorded outputs of PyTorch (in float32; of graphs that',
    'were recorded in less, what the format loses is in it). In brackets ours over the standard deviation of the output.',
    '',
    ...markdown(
      ['case', 'nodes', 'ours', ...Object.values(peers), 'off by', ...Object.values(peers)],
      sorted.map((row) => {
        const others = (Object.keys(peers) as Peer[]).map((peer) => row.peers[peer]);
        return [
          row.case.replace(/^onnx-import\//, ''),
          String(row.nodes.before),
          String(row.nodes.after),
          ...others.map((other) => String(other?.nodes ?? '–')),
          `${short(row.difference)} (${short(row.deviation)})`,
          ...others.map((other) =>
            other?.broken === true
              ? '**fails**'
              : other?.difference === undefined
                ? '–'
                : short(other.difference),
          ),
        ];
      }),
    ),
    '',
  ].join('\n');
}

function short(value: number): string {
  return value === 0 ? '0' : value >= 1e-3 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
}

/** Numbers to the right. */
function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)];
}
