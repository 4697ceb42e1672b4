/** A comparison of models in the lines of a terminal: a row per output, the first inner value that differs. */
import type { CompareResult } from '../../index.ts';
import { formatTable, plural } from '../../report/format.ts';

type Model = CompareResult['models'][number];
type Value = Model['outputs'][number];

export function renderComparison({ models, device, passed }: CompareResult): string {
  const judged = models.flatMap(({ gates }) => gates);
  const failed = judged.filter((gate) => !gate.passed).length;
  const verdict =
    judged.length === 0
      ? 'No gate was given'
      : passed
        ? `All ${plural(judged.length, 'gate')} passed`
        : `${failed} of ${plural(judged.length, 'gate')} FAILED`;
  return [...models.flatMap((model) => modelLines(model, device)), `${verdict}`, ''].join('\n');
}

function modelLines({ name, inputs, outputs, taps, placement, gates }: Model, device: string): string[] {
  const rows = outputs.map((value) => {
    const beyond = gates.some(({ output, passed }) => output === value.name && !passed);
    return [beyond ? '  FAIL' : '', ...cells(value)];
  });
  const header = ['', 'output', 'shape', 'max/std', 'relative', 'cosine', 'remarks'];
  const fell = placement.flatMap(({ build, fellBack }) =>
    fellBack.length === 0 ? [] : [`${build === 'reference' ? 'first' : 'second'} ${fellBack.length}`],
  );
  return [
    `${name}, on ${device}: inputs ${inputs.map((input) => `${input.name} [${input.shape}] ${input.from}`).join(', ')}`,
    ...formatTable([header, ...rows], [3, 4, 5]),
    ...(taps === undefined ? [] : tapLines(taps)),
    ...(fell.length === 0 ? [] : [`  nodes that ran on the CPU instead: ${fell.join(', ')}`]),
  ];
}

function cells(value: Value): string[] {
  const { name, shape, metrics, different, sameNonFinite = 0 } = value;
  const place = `[${shape}]`;
  const same = sameNonFinite === 0 ? [] : [`${sameNonFinite} not finite in both`];
  if (different !== undefined) {
    const said =
      different.count === 0
        ? 'equal'
        : `${different.count} of ${different.of} differ, first ${different.first}`;
    return [name, place, '', '', '', said];
  }
  if (metrics === undefined) return [name, place, '', '', '', ['nothing to compare', ...same].join('; ')];
  const { logits, nonFinite, maxAbs } = metrics;
  const remarks = [
    ...(nonFinite.count === 0 ? [] : [`${nonFinite.count} not finite, first ${nonFinite.first}`]),
    ...(logits === undefined ? [] : [`KL ${number(logits.kl)}, top-1 ${logits.agreed}/${logits.n}`]),
    ...(maxAbs.value === 0 ? ['equal'] : [`worst ${maxAbs.where}`]),
    ...same,
  ];
  return [
    name,
    place,
    number(metrics.maxStd),
    number(metrics.relative),
    number(metrics.cosine),
    remarks.join('; '),
  ];
}

function tapLines({ compared, skipped, first, worst, threshold }: NonNullable<Model['taps']>): string[] {
  const head = `  inner values: ${compared} of the same name compared${skipped.length === 0 ? '' : `, ${skipped.length} of another shape or type passed over`}`;
  if (first === undefined) return [`${head}; none is off by more than ${threshold} of its norm`];
  const made = [...new Set(first.nodes.map(({ operator, node }) => `${operator} ${node}`))].join(' / ');
  const row = (value: Value): string[] => ['   ', ...cells(value)];
  return [
    head,
    `  first that is off by more than ${threshold} of its norm: ${first.name}, made by ${made}`,
    ...formatTable([row(first)], [3, 4, 5]),
    '  worst:',
    ...formatTable(worst.slice(0, 5).map(row), [3, 4, 5]),
  ];
}

/** Four digits. */
function number(value: number): string {
  if (!Number.isFinite(value)) return 'not finite';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}
