/**
 * Gates: limits that decide whether an output is close enough. What is measured is in metrics.ts, the default
 * limits in gate-limits.ts; a user moves one with `--gate logits.kl=0.05` or `--gate implementation.logits.max=0.01`.
 */
import { fail } from '../report/diagnostics.ts';
import { didYouMean } from '../report/nearest.ts';
import { defaultLimits } from './gate-limits.ts';
import type { atols, Metrics } from './metrics.ts';
import { type Feed, logitKinds, type OutputKind, type OutputResult, outputKinds } from './outputs.ts';

/**
 * `device`: the original on the device asked for against the original on the CPU. `rewrite`: the plain graph with the
 * original weights against the original, both float32. `implementation`: the output against the plain graph with the
 * same rounded weights. `fidelity`: the output against the original.
 */
export type Level = 'device' | 'rewrite' | 'implementation' | 'fidelity';

/** In the order of what they compare, from the original on to the output: the first that fails is nearest a fault. */
export const levels: readonly Level[] = ['device', 'rewrite', 'implementation', 'fidelity'];

/** Ordered from the most to the least exact. */
export type Precision = 'fp32' | 'fp16' | 'int8' | 'int4';

export const precisions: readonly Precision[] = ['fp32', 'fp16', 'int8', 'int4'];

interface GateMetric {
  /** What passes: at most the limit, or at least it. */
  readonly direction: 'at-most' | 'at-least';
  /** Undefined where the output has no such number. */
  readonly read: (metrics: Metrics) => number | undefined;
  /** Place of the worst, where the metric has one. */
  readonly place: (metrics: Metrics) => string | undefined;
}

const nowhere = (): undefined => undefined;

/** The relative tolerance that all elements take beside an absolute one. */
function rtolAt(atol: (typeof atols)[number]): GateMetric['read'] {
  return ({ tolerances }) => tolerances?.find((tolerance) => tolerance.atol === atol)?.rtol;
}

/** Metrics that only logits have. */
const ofLogits: readonly string[] = ['kl', 'kl-max', 'top1', 'top5', 'perplexity'];
/** Metrics that only pictures have. */
const ofPixels: readonly string[] = ['psnr', 'worst-block'];
/** Metrics that only choices have. */
const ofChoices: readonly string[] = ['agreement', 'in-place'];

/** Metrics by the name that gates use; their definitions are in metrics.ts. */
export const gateMetrics = {
  finite: {
    direction: 'at-most',
    read: (metrics) => metrics.nonFinite.count,
    place: (metrics) => metrics.nonFinite.first,
  },
  max: {
    direction: 'at-most',
    read: (metrics) => metrics.maxStd,
    place: (metrics) => metrics.maxAbs.where,
  },
  mean: { direction: 'at-most', read: (metrics) => metrics.meanStd, place: nowhere },
  p50: { direction: 'at-most', read: (metrics) => metrics.quantiles?.p50, place: nowhere },
  p90: { direction: 'at-most', read: (metrics) => metrics.quantiles?.p90, place: nowhere },
  p99: { direction: 'at-most', read: (metrics) => metrics.quantiles?.p99, place: nowhere },
  p999: { direction: 'at-most', read: (metrics) => metrics.quantiles?.p999, place: nowhere },
  'rtol@1e-5': { direction: 'at-most', read: rtolAt(1e-5), place: nowhere },
  'rtol@1e-4': { direction: 'at-most', read: rtolAt(1e-4), place: nowhere },
  'rtol@1e-3': { direction: 'at-most', read: rtolAt(1e-3), place: nowhere },
  'rtol@1e-2': { direction: 'at-most', read: rtolAt(1e-2), place: nowhere },
  'rtol@1e-1': { direction: 'at-most', read: rtolAt(1e-1), place: nowhere },
  relative: { direction: 'at-most', read: (metrics) => metrics.relative, place: nowhere },
  cosine: { direction: 'at-least', read: (metrics) => metrics.cosine, place: nowhere },
  'worst-cosine': {
    direction: 'at-least',
    read: (metrics) => metrics.worstCosine.value,
    place: (metrics) => metrics.worstCosine.where,
  },
  kl: { direction: 'at-most', read: (metrics) => metrics.logits?.kl, place: nowhere },
  'kl-max': {
    direction: 'at-most',
    read: (metrics) => metrics.logits?.klMax.value,
    place: (metrics) => metrics.logits?.klMax.where,
  },
  top1: { direction: 'at-least', read: (metrics) => metrics.logits?.top1, place: nowhere },
  top5: { direction: 'at-least', read: (metrics) => metrics.logits?.top5, place: nowhere },
  perplexity: {
    direction: 'at-most',
    read: (metrics) => metrics.logits?.perplexity?.change,
    place: nowhere,
  },
  psnr: { direction: 'at-least', read: (metrics) => metrics.picture?.psnr, place: nowhere },
  'worst-block': {
    direction: 'at-least',
    read: (metrics) => metrics.picture?.worstBlock.value,
    place: (metrics) => metrics.picture?.worstBlock.where,
  },
  agreement: {
    direction: 'at-least',
    read: (metrics) => metrics.choices?.agreement,
    place: (metrics) => metrics.worstCosine.where,
  },
  'in-place': {
    direction: 'at-least',
    read: (metrics) => metrics.choices?.inPlace,
    place: (metrics) => metrics.worstCosine.where,
  },
} as const satisfies Record<string, GateMetric>;

export type MetricName = keyof typeof gateMetrics;

/** Limits of one output. */
export type Limits = Readonly<Partial<Record<MetricName, number>>>;

/**
 * Besides the levels, `ranges` asks how far the activations of a component are from the end of float16, at each size of
 * a sweep (gates-ranges.ts).
 */
export type GateLevel = Level | 'ranges';

function has(output: OutputKind, metric: MetricName): boolean {
  if (ofLogits.includes(metric)) return logitKinds.has(output);
  if (ofChoices.includes(metric)) return output === 'choices';
  return output === 'pixels' || !ofPixels.includes(metric);
}

/** What is measured at the end of every block (gates-blocks.ts), where a level compares blocks. */
const blockMetrics = ['finite', 'max', 'relative', 'cosine'] as const satisfies readonly MetricName[];

export type BlockMetricName = (typeof blockMetrics)[number];

const levelsOfBlocks: readonly Level[] = ['rewrite', 'implementation', 'fidelity'];

/** A limit that the user gave. */
export interface GateOverride {
  /** As the user named the components that it holds for; default all. */
  readonly address?: string;
  /** The component that it holds for, once addresses are known to mean one. */
  readonly component?: string;
  readonly level: GateLevel;
  readonly output: OutputKind | 'blocks' | 'activations';
  readonly metric: MetricName | 'headroom';
  readonly limit: number;
}

export interface GateVerdict {
  readonly level: GateLevel;
  readonly feed: Feed;
  readonly output: OutputKind | 'blocks' | 'activations';
  readonly component: string;
  readonly metric: MetricName | 'headroom';
  /** Of the output; at the level `rewrite` the limit does not depend on it. */
  readonly precision: Precision;
  readonly direction: 'at-most' | 'at-least';
  readonly limit: number;
  /** What set the limit; `baseline`: what an earlier report measured (gates-baseline.ts). */
  readonly from: 'default' | 'user' | 'baseline';
  readonly value: number;
  readonly passed: boolean;
  /** Place of the worst. */
  readonly where?: string;
  /** Of the pictures, where it is that of a sweep: `896x896`. */
  readonly size?: string;
}

/**
 * Reads `output.metric` (fidelity), `level.output.metric` or `headroom` keys, each with a component and a dot before it
 * where it holds for that alone (gates-addressed.ts). Throws VC6105 for an unknown key, a metric that
 * the output does not have, or a limit that is not a number of at least 0.
 */
export function parseGates(gates: Readonly<Record<string, number>>): readonly GateOverride[] {
  return Object.entries(gates).map(([key, limit]) => {
    const gate = gateAt(key) ?? addressedGate(key);
    if (gate === undefined) {
      const hint = didYouMean(
        key,
        [...gateKeys.keys()].flatMap((known) => [known.replace('fidelity.', ''), known]),
      );
      throw fail('VC6105', {
        where: `--gate ${key}`,
        found: key,
        expected: `[level.]output.metric: levels ${levels.join(', ')}; outputs ${outputKinds.join(', ')}; metrics ${Object.keys(gateMetrics).join(', ')} (${ofLogits.join(', ')} for logits only, ${ofPixels.join(', ')} for pixels, ${ofChoices.join(', ')} for choices); or [level.]blocks.metric: ${levelsOfBlocks.join(', ')}; ${blockMetrics.join(', ')}; or headroom; each also with a component and a dot before it`,
        ...(hint === undefined ? {} : { hint }),
      });
    }
    if (!(Number.isFinite(limit) && limit >= 0)) {
      throw fail('VC6105', { where: `--gate ${key}`, found: String(limit), expected: 'a number from 0 on' });
    }
    return { ...gate, limit };
  });
}

function gateAt(key: string): Omit<GateOverride, 'limit'> | undefined {
  return gateKeys.get(key) ?? gateKeys.get(`fidelity.${key}`);
}

/** `decoder.logits.kl`, but not a level that is misspelt. */
function addressedGate(key: string): Omit<GateOverride, 'limit'> | undefined {
  const dot = key.indexOf('.');
  const address = key.slice(0, dot);
  const gate = dot > 0 && didYouMean(address, levels) === undefined ? gateAt(key.slice(dot + 1)) : undefined;
  return gate && { ...gate, address };
}

/** The limits given for one component, by metric: its own come after those for all. */
export function limitsGiven(
  overrides: readonly GateOverride[],
  at: Pick<GateVerdict, 'level' | 'output' | 'component'>,
): Readonly<Partial<Record<GateOverride['metric'], number>>> {
  const own = overrides.filter(
    ({ level, output, component }) =>
      level === at.level && output === at.output && (component ?? at.component) === at.component,
  );
  const ordered = [
    ...own.filter(({ component }) => component === undefined),
    ...own.filter(({ component }) => component !== undefined),
  ];
  return Object.fromEntries(ordered.map(({ metric, limit }) => [metric, limit]));
}

const headroomGate = { level: 'ranges', output: 'activations', metric: 'headroom' } as const;

const gateKeys: ReadonlyMap<string, Omit<GateOverride, 'limit'>> = new Map<
  string,
  Omit<GateOverride, 'limit'>
>([
  ['headroom', headroomGate],
  ['ranges.activations.headroom', headroomGate],
  ...levelsOfBlocks.flatMap((level) =>
    blockMetrics.map((metric) => [`${level}.blocks.${metric}`, { level, output: 'blocks', metric }] as const),
  ),
  ...levels.flatMap((level) =>
    outputKinds.flatMap((output) =>
      (Object.keys(gateMetrics) as MetricName[])
        .filter((metric) => has(output, metric))
        .map((metric) => [`${level}.${output}.${metric}`, { level, output, metric }] as const),
    ),
  ),
]);

/** NaN does not pass. */
export function passes(direction: GateVerdict['direction'], value: number, limit: number): boolean {
  return direction === 'at-most' ? value <= limit : value >= limit;
}

/**
 * Whose limits hold for an output. A component fed locally is held to its own precision's; in chain it inherits the
 * errors of the others, so the least exact precision of all counts.
 */
export function precisionOfResult(
  { feed, component }: Pick<OutputResult, 'feed' | 'component'>,
  precisionOf: Readonly<Record<string, Precision>>,
): Precision {
  if (feed === 'local') return precisionOf[component] ?? 'fp32';
  const used = Object.values(precisionOf);
  return precisions.findLast((precision) => used.includes(precision)) ?? 'fp32';
}

/** Judges the outputs of one level. */
export function judge(
  level: Level,
  results: readonly OutputResult[],
  precisionOf: Readonly<Record<string, Precision>>,
  overrides: readonly GateOverride[],
): readonly GateVerdict[] {
  return results.flatMap((result) => {
    const precision = precisionOfResult(result, precisionOf);
    const own = limitsGiven(overrides, { level, ...result });
    const limits: Limits = {
      finite: 0,
      ...defaultLimits[level][precision][result.feed][result.output],
      ...own,
    };
    return Object.entries(limits).map(([key, limit]) => {
      const metric = key as MetricName;
      const { direction, read, place } = gateMetrics[metric];
      const value = read(result.metrics) ?? Number.NaN;
      const where = place(result.metrics);
      return {
        level,
        feed: result.feed,
        output: result.output,
        component: result.component,
        metric,
        precision,
        direction,
        limit,
        from: Object.hasOwn(own, metric) ? ('user' as const) : ('default' as const),
        value,
        passed: passes(direction, value, limit),
        ...(where === undefined ? {} : { where }),
      };
    });
  });
}
