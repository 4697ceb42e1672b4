/** What a conversion made, in a few lines. */
import type { ConvertGraphResult, ConvertResult, QuantizeResult } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';
import { componentText } from '../../report/roles.ts';
import { coverageTable } from './plan.ts';

/** `shown`: the output's path as the user reads it; `summary`: the check's, empty when it did not run. */
export function renderResult(
  { files, parity, peakRss, plan }: ConvertResult,
  shown: string,
  summary: readonly string[],
): string {
  const graphs = files.filter(({ path }) => path.startsWith('onnx/'));
  const lines = written(files, graphs, shown);
  const precision = plan.components.map((one) => `${componentText(one)} ${one.precision}`).join(', ');
  lines.push(`Precision: ${precision}`);
  if (parity === undefined) lines.push('Not checked: --no-parity');
  else lines.push(...summary, `Report: ${shown}/parity-report.html, .md and .json`);
  lines.push(`Memory: ${formatBytes(peakRss.write)} at most while writing${checked(peakRss, parity)}`);
  return `${lines.join('\n')}\n`;
}

/** Passes that say in their counts what was found. */
const rewriting = /^(fuse-|pack-qkv$|patch-embed$|retarget-)/;

/** What converting a model made, what became of its graph and weights, and how far it is from the original. */
export function renderConvertedGraph(
  { files, parity, peakRss, plan }: ConvertGraphResult,
  shown: string,
  summary: readonly string[],
): string {
  const graphs = files.filter(({ path }) => !path.startsWith('parity-report.'));
  const [component] = plan.components;
  const counts = component?.records.flatMap(({ name, changed, stats }) => {
    const said = Object.entries(stats).filter(([, count]) => count > 0);
    return changed && rewriting.test(name) && said.length > 0
      ? [`${name} ${said.map(([what, count]) => `${what} ${count}`).join(', ')}`]
      : [];
  });
  const lines = [
    ...written(files, graphs, shown),
    `Precision: ${component?.precision}`,
    `Graph: ${plural(component?.nodes ?? 0, 'node')}`,
    ...(counts ?? []).map((line) => `  ${line}`),
    ...(plan.components.some(({ coverage }) => coverage.length > 0)
      ? ['Weights:', ...coverageTable(plan).map((line) => `  ${line}`)]
      : []),
    ...(parity === undefined
      ? ['Not checked: --no-parity']
      : [...summary, `Report: ${shown}/parity-report.md and .json`]),
    `Memory: ${formatBytes(peakRss.write)} at most while writing${parity === undefined ? '' : `, ${formatBytes(peakRss.total)} with the check`}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** What quantizing a model made, and of what. */
export function renderQuantized({ files, peakRss, plan }: QuantizeResult, shown: string): string {
  const precision = plan.components.map((one) => one.precision).join(', ');
  const lines = [
    ...written(files, files, shown),
    `Precision: ${precision}`,
    'Weights:',
    ...coverageTable(plan).map((line) => `  ${line}`),
    'Not checked: vlm-convert compare runs it beside the original',
    `Memory: ${formatBytes(peakRss.write)} at most`,
  ];
  return `${lines.join('\n')}\n`;
}

function written(files: ConvertResult['files'], listed: ConvertResult['files'], shown: string): string[] {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return [
    `Wrote ${shown}: ${plural(files.length + 1, 'file')}, ${formatBytes(bytes)}`,
    ...formatTable(
      listed.map(({ path, bytes: size }) => [`  ${path}`, formatBytes(size)]),
      [1],
    ),
  ];
}

function checked(peakRss: ConvertResult['peakRss'], parity: ConvertResult['parity']): string {
  return parity === undefined ? '' : `, ${formatBytes(peakRss.total)} with the check`;
}
