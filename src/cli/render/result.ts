/** What a conversion made, in a few lines. */
import type { ConvertResult } from '../../index.ts';
import { formatBytes, formatTable, plural } from '../../report/format.ts';

/** `shown`: the output's path as the user reads it. */
export function renderResult({ files, parity, passed, peakRss, plan }: ConvertResult, shown: string): string {
  const graphs = files.filter(({ path }) => path.startsWith('onnx/'));
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const lines = [`Wrote ${shown}: ${plural(files.length + 1, 'file')}, ${formatBytes(bytes)}`];
  lines.push(
    ...formatTable(
      graphs.map(({ path, bytes: size }) => [`  ${path}`, formatBytes(size)]),
      [1],
    ),
  );
  const precision = plan.components.map((one) => `${one.id} ${one.precision}`).join(', ');
  lines.push(`Precision: ${precision}`);
  if (parity === undefined) {
    lines.push('Not checked: --no-parity');
  } else {
    const failed = parity.gates.filter((gate) => !gate.passed).length;
    const verdict = passed
      ? `all ${parity.gates.length} gates passed`
      : `${failed} of ${parity.gates.length} gates failed`;
    lines.push(`Check against the original: ${verdict}; see parity-report.md`);
  }
  lines.push(`Memory: ${formatBytes(peakRss.write)} at most while writing${checked(peakRss, parity)}`);
  return `${lines.join('\n')}\n`;
}

function checked(peakRss: ConvertResult['peakRss'], parity: ConvertResult['parity']): string {
  return parity === undefined ? '' : `, ${formatBytes(peakRss.total)} with the check`;
}
