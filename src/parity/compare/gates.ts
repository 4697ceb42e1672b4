/**
 * Gates of a comparison: `relative=1e-3` for every output, `logits.kl=0.05` for one. A gate brings two with it for
 * every output that it is about: none of its numbers may be not finite where the first model's is, and integers must
 * be equal.
 */
import { fail } from '../../report/diagnostics.ts';
import { didYouMean } from '../../report/nearest.ts';
import { gateMetrics, type MetricName } from '../gates.ts';
import type { ValueComparison } from './compare-values.ts';

/** `different`: elements of an output of integers or truth values. */
export type ComparedMetric = MetricName | 'different';

const metrics: readonly ComparedMetric[] = [...(Object.keys(gateMetrics) as MetricName[]), 'different'];

export interface ComparisonGate {
  /** Undefined: every output. */
  readonly output: string | undefined;
  readonly metric: ComparedMetric;
  readonly limit: number;
}

export interface ComparisonVerdict {
  readonly output: string;
  readonly metric: ComparedMetric;
  readonly direction: 'at-most' | 'at-least';
  readonly limit: number;
  readonly value: number;
  readonly passed: boolean;
  readonly where?: string;
}

/** Throws VC6105 for a metric that does not exist or a limit that is not a number from 0 on. */
export function parseComparisonGates(gates: Readonly<Record<string, number>>): readonly ComparisonGate[] {
  return Object.entries(gates).map(([key, limit]) => {
    // Names of outputs may have points in them; those of metrics have none.
    const point = key.lastIndexOf('.');
    const name = key.slice(point + 1);
    const metric = metrics.find((known) => known === name);
    if (metric === undefined) {
      const hint = didYouMean(name, metrics);
      throw fail('VC6105', {
        where: `--gate ${key}`,
        found: name,
        expected: `[output.]metric: ${metrics.join(', ')}`,
        ...(hint === undefined ? {} : { hint }),
      });
    }
    if (!(Number.isFinite(limit) && limit >= 0)) {
      throw fail('VC6105', { where: `--gate ${key}`, found: String(limit), expected: 'a number from 0 on' });
    }
    return { output: point === -1 ? undefined : key.slice(0, point), metric, limit };
  });
}

/**
 * Judges the outputs of one comparison. Throws VC6105 for a gate that names an output which is not there, or a metric
 * that no output of its has.
 */
export function judgeComparison(
  outputs: readonly ValueComparison[],
  gates: readonly ComparisonGate[],
): readonly ComparisonVerdict[] {
  for (const { output, metric } of gates) {
    const about = outputs.filter(({ name }) => output === undefined || name === output);
    if (about.some((one) => applies(one, { output, metric }))) continue;
    throw fail('VC6105', {
      where: `--gate ${output === undefined ? '' : `${output}.`}${metric}`,
      found: about.length === 0 ? `no output ${output}` : 'no output that has this metric',
      expected: `outputs ${outputs.map(({ name }) => name).join(', ')}`,
    });
  }
  return outputs.flatMap((one) => {
    const own = gates.filter(({ output }) => output === undefined || output === one.name);
    if (own.length === 0) return [];
    // What is said of one output counts more than what is said of all.
    const limits = new Map<ComparedMetric, number>([
      ['finite', 0],
      ['different', 0],
      ...own
        .filter(({ output }) => output === undefined)
        .map(({ metric, limit }) => [metric, limit] as const),
      ...own
        .filter(({ output }) => output !== undefined)
        .map(({ metric, limit }) => [metric, limit] as const),
    ]);
    return [...limits].flatMap(([metric, limit]) => verdict(one, metric, limit));
  });
}

/** Whether a gate has something to judge in an output. */
export function applies(
  one: ValueComparison,
  { output, metric }: Pick<ComparisonGate, 'output' | 'metric'>,
): boolean {
  return (output === undefined || output === one.name) && readMetric(one, metric) !== undefined;
}

function verdict(one: ValueComparison, metric: ComparedMetric, limit: number): ComparisonVerdict[] {
  const value = readMetric(one, metric);
  if (value === undefined) return [];
  const direction = metric === 'different' ? 'at-most' : gateMetrics[metric].direction;
  const where =
    metric === 'different'
      ? one.different?.first
      : one.metrics === undefined
        ? undefined
        : gateMetrics[metric].place(one.metrics);
  return [
    {
      output: one.name,
      metric,
      direction,
      limit,
      value,
      // Written so that NaN fails.
      passed: direction === 'at-most' ? value <= limit : value >= limit,
      ...(where === undefined ? {} : { where }),
    },
  ];
}

/** A metric of an output; undefined where it has none. */
export function readMetric(
  { metrics: found, different }: ValueComparison,
  metric: ComparedMetric,
): number | undefined {
  if (metric === 'different') return different?.count;
  return found === undefined ? undefined : gateMetrics[metric].read(found);
}
