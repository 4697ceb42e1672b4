/** The check of a model that was converted from ONNX, as data and as Markdown. */
import type { Device } from '../../runtime/devices.ts';
import type { GraphDraw, GraphLevel } from '../compare/check-graph.ts';
import type { ValueComparison } from '../compare/compare-values.ts';
import { gateMetrics, type Precision } from '../gates.ts';
import type { Placement } from './report.ts';
import { formatNumber } from './text.ts';

/** Which pass moved the model, and where; of a check that failed. */
export interface GraphBlame {
  /** As pipeline text. */
  readonly pass: string;
  /** max |error| / std of the value that it moves most, by itself, and what it may. */
  readonly max: number;
  readonly limit: number;
  /** The node that says most, and the nodes of the original that it came from. */
  readonly node?: string;
  readonly operator?: string;
  readonly from?: readonly string[];
}

export interface GraphReport {
  /** Of this form. */
  readonly schema: 1;
  readonly version: string;
  readonly model: string;
  readonly precision: Precision;
  /** Pipeline text: the passes after which the reference stands, empty where it is the model itself, and the others. */
  readonly reference: string;
  /** What was done to make the reference of the model. */
  readonly changes: readonly string[];
  readonly passes: string;
  readonly runtime: { readonly name: string; readonly version: string; readonly device: Device };
  readonly passed: boolean;
  readonly draws: readonly GraphDraw[];
  /** Draws that the reference itself does not take, and why. */
  readonly left: readonly { readonly title: string; readonly found: string }[];
  readonly blame?: GraphBlame;
  readonly placement: readonly Placement[];
}

const levelTitles: Readonly<Record<GraphLevel['level'], string>> = {
  device: 'Device',
  rewrite: 'Rewrite: the graph before rounding, against the original',
  implementation: 'Implementation: the output, against the graph before rounding with the rounded weights',
  fidelity: 'Fidelity: the output, against the original',
};

/** Lines for a terminal. */
export function graphSummary(report: GraphReport): readonly string[] {
  const { draws, left, passed, blame, reference } = report;
  const gates = draws.flatMap(({ levels }) => levels.flatMap((level) => level.gates));
  const failed = gates.filter((gate) => !gate.passed);
  return [
    ...(reference === '' ? [] : [`Held to the model after ${reference}, which nothing else computes`]),
    ...draws.map(({ title, levels }) => `Checked, ${title}: ${levels.map(worst).join('; ')}`),
    ...left.map(({ title, found }) => `Not checked, ${title}: the original does not take them (${found})`),
    passed
      ? `All ${gates.length} gates passed`
      : `${failed.length} of ${gates.length} gates FAILED: ${failed
          .slice(0, 3)
          .map(
            ({ output, metric, value, limit }) =>
              `${output}.${metric} ${formatNumber(value)}, limit ${formatNumber(limit)}`,
          )
          .join('; ')}`,
    ...(blame === undefined ? [] : [blameText(blame)]),
  ];
}

/** `rewrite 1.2e-6 of std`: the worst output of a level. */
function worst({ level, outputs }: GraphLevel): string {
  const errors = outputs.flatMap(({ metrics }) => (metrics === undefined ? [] : [metrics]));
  if (errors.length === 0) return `${level} equal`;
  const max = Math.max(...errors.map(({ maxStd }) => maxStd));
  const relative = Math.max(...errors.map((metrics) => metrics.relative));
  return `${level} ${formatNumber(max)} of std at most, ${formatNumber(relative)} of norm`;
}

export function blameText({ pass, max, limit, node, operator, from }: GraphBlame): string {
  const at = node === undefined ? '' : ` at ${node} (${operator})`;
  const made = from === undefined ? '' : `, made of ${from.slice(0, 4).join(', ')}`;
  return `${pass} is at fault: it moves a value by ${formatNumber(max)} of std, ${formatNumber(limit)} is allowed${at}${made}`;
}

export function renderGraphMarkdown(report: GraphReport): string {
  const { model, precision, passes, reference, runtime, draws, placement } = report;
  const fell = placement.flatMap(({ build, fellBack }) =>
    fellBack.map(({ node, operator }) => `- ${node} (${operator}) of the ${build} model`),
  );
  return [
    `# ${model} in ${precision}: ${report.passed ? 'passed' : 'FAILED'}`,
    '',
    `\`${passes}\``,
    '',
    `${runtime.name} ${runtime.version} on ${runtime.device}, vlm-convert ${report.version}`,
    '',
    ...graphSummary(report).map((line) => `- ${line}`),
    ...(reference === '' ? [] : ['', `The original is the model after \`${reference}\`:`, '']),
    ...report.changes.map((change) => `- ${change}`),
    ...draws.flatMap(drawLines),
    ...(fell.length === 0 ? [] : ['', '## Nodes that ran on the CPU instead', '', ...fell]),
    '',
  ].join('\n');
}

function drawLines({ title, inputs, levels }: GraphDraw): readonly string[] {
  return [
    '',
    `## ${title}`,
    '',
    `Inputs: ${inputs.map(({ name, dtype, shape, from }) => `\`${name}\` ${dtype}[${shape}] ${from}`).join(', ')}`,
    ...levels.flatMap(levelLines),
  ];
}

function levelLines({ level, outputs, gates }: GraphLevel): readonly string[] {
  const failed = gates.filter(({ passed }) => !passed);
  return [
    '',
    `### ${levelTitles[level]}`,
    '',
    '| Output | Shape | max / std | relative | cosine | |',
    '|---|---|---:|---:|---:|---|',
    ...outputs.map((one) => `| ${cells(one).join(' | ')} |`),
    ...failed.map(
      ({ output, metric, value, limit, where, direction }) =>
        `\n**${output}.${metric}** is ${formatNumber(value)}${where === undefined ? '' : ` (${where})`}, ` +
        `${direction === 'at-most' ? 'at most' : 'at least'} ${formatNumber(limit)} is allowed`,
    ),
  ];
}

function cells({ name, shape, metrics, different, sameNonFinite }: ValueComparison): readonly string[] {
  const same = sameNonFinite === undefined ? '' : `${sameNonFinite} not finite in both`;
  const place = [`\`${name}\``, `[${shape}]`];
  if (different !== undefined) return [...place, '', '', '', `${different.count} of ${different.of} differ`];
  if (metrics === undefined) return [...place, '', '', '', same];
  const { kl, top1 } = {
    kl: gateMetrics.kl.read(metrics),
    top1: gateMetrics.top1.read(metrics),
  };
  const logits = kl === undefined ? '' : `KL ${formatNumber(kl)}, top-1 ${formatNumber(top1 ?? 0)}`;
  return [
    ...place,
    formatNumber(metrics.maxStd),
    formatNumber(metrics.relative),
    formatNumber(metrics.cosine),
    [logits, same].filter((text) => text !== '').join(', '),
  ];
}
