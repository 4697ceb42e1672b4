/**
 * Gates against an earlier report of the same conversion: what was measured then, and what noise may add to it.
 *
 * Only averages over many elements are held to a baseline. Over 20 seeds (small Monkey and LLaVA models) those of
 * int8 and int4 stay within 0.8 and 1.3 of their median, while maxima and worst rows vary by 2 to 10. And only the
 * same inputs are compared: a machine answers them with the same numbers each time, another machine to the rounding
 * of its sums. So the noise is 10 % of an error (KL divergence goes by its square) and a floor at that rounding; a
 * share of picks may fall to the low end of the baseline's own interval.
 */
import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, JsonError, parseJson } from '../formats/json.ts';
import { fail } from '../report/diagnostics.ts';
import { show } from '../report/show.ts';
import type { JsonValue } from '../tensor/tensor.ts';
import {
  type GateVerdict,
  gateMetrics,
  type MetricName,
  type Precision,
  passes,
  precisionOfResult,
} from './gates.ts';
import { type Metrics, wilson } from './metrics.ts';
import { type LevelReport, reportVersion, type SampleSummary, type Subject } from './report/report.ts';

/** An earlier report, as far as it is JSON of the right form. */
export interface Baseline {
  /** Its file, for messages. */
  readonly name: string;
  readonly report: JsonObject;
}

type JsonObject = { readonly [key: string]: JsonValue };

/** The largest report, of hundreds of blocks and thousands of tokens, has some megabytes. */
const maxReportBytes = 2 ** 28;

/** What an error may grow by, as a share of the baseline's. */
const growth = 0.1;

/** Errors below are the rounding of sums, at fp16 of activations: over the reference's size, and KL in nats. */
const floors: Readonly<Record<Precision, { readonly error: number; readonly kl: number }>> = {
  fp32: { error: 1e-5, kl: 1e-8 },
  fp16: { error: 5e-4, kl: 1e-6 },
  int8: { error: 1e-5, kl: 1e-8 },
  int4: { error: 1e-5, kl: 1e-8 },
};

/** Above, pictures differ by that rounding alone. */
const decibels: Readonly<Record<Precision, number>> = { fp32: 110, fp16: 70, int8: 110, int4: 110 };

/** A change of perplexity has a sign; half a percent is what few tokens leave to chance. */
const perplexityFloor = 0.005;

/** How far each metric that is compared may go from what it was. */
const limits: Readonly<
  Partial<Record<MetricName, (was: number, n: number, precision: Precision) => number>>
> = {
  mean: (was, _n, precision) => was * (1 + growth) + floors[precision].error,
  relative: (was, _n, precision) => was * (1 + growth) + floors[precision].error,
  kl: (was, _n, precision) => was * (1 + growth) ** 2 + floors[precision].kl,
  top1: (was, n) => wilson(was * n, n).low,
  top5: (was, n) => wilson(was * n, n).low,
  perplexity: (was) => was + Math.abs(was) * growth + perplexityFloor,
  psnr: (was, _n, precision) => Math.min(was - 20 * Math.log10(1 + growth), decibels[precision]),
};

/** Reads the JSON of an earlier report. Throws VC6106 when it is none. */
export function parseBaseline(name: string, bytes: Uint8Array): Baseline {
  let report: JsonValue;
  try {
    report = parseJson(bytes, { maxBytes: maxReportBytes });
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause;
    throw fail('VC6106', {
      where: name,
      found: cause.message,
      expected: 'the parity-report.json of a check',
    });
  }
  if (!isJsonObject(report) || report.version !== reportVersion || !Array.isArray(report.levels)) {
    throw fail('VC6106', {
      where: name,
      found: isJsonObject(report) ? `version ${show(report.version)}` : show(report),
      expected: `the parity-report.json of a check, version ${reportVersion}`,
    });
  }
  return { name, report };
}

/** Options that say how a conversion is judged, not what it gives. */
const judging: ReadonlySet<string> = new Set([
  'gate',
  'strict',
  'parity',
  'allowNonfinite',
  'sweepResolutions',
]);

/** Throws VC6106 when the baseline is of another model, other options or other inputs. */
export function checkBaseline(
  { name, report }: Baseline,
  subject: Pick<Subject, 'model' | 'options' | 'precision'>,
  sample: SampleSummary,
): void {
  const differ = (what: string, was: JsonValue | undefined, is: unknown): void => {
    // What JSON does not keep, such as undefined, does not make a difference.
    const now: unknown = JSON.parse(JSON.stringify(is ?? null));
    if (isDeepStrictEqual(plain(was ?? null), now)) return;
    throw fail('VC6106', {
      where: `${name}: ${what}`,
      found: show(plain(was ?? null)),
      expected: show(now),
      hint: 'a baseline is a report of the same checkpoint, options and inputs',
    });
  };
  const model = isJsonObject(report.model) ? report.model : {};
  differ('model.structureSha256', model.structureSha256, subject.model.structureSha256);
  differ('precision', report.precision, subject.precision);
  const was = isJsonObject(report.options) ? report.options : {};
  const now = isJsonObject(subject.options) ? subject.options : {};
  for (const key of Object.keys(was)) {
    // An option that a newer version added says nothing about an older report, nor the other way round.
    if (!judging.has(key) && Object.hasOwn(now, key)) differ(`options.${key}`, was[key], now[key]);
  }
  differ('sample', report.sample, sample);
}

/** Objects of the JSON reader have no prototype, which a deep comparison would see. */
function plain(value: JsonValue): unknown {
  return JSON.parse(JSON.stringify(value));
}

/**
 * A verdict for each metric that the baseline holds of an output. Throws VC6106 when it holds an output that is not
 * there now, or nothing to compare.
 */
export function judgeBaseline(
  levels: readonly LevelReport[],
  precisionOf: Readonly<Record<string, Precision>>,
  { name, report }: Baseline,
): readonly GateVerdict[] {
  const verdicts = objects(report.levels).flatMap((was) => {
    const level = levels.find((candidate) => candidate.level === was.level);
    return objects(was.outputs).flatMap((earlier) => {
      const result = level?.outputs.find(
        ({ output, feed, component }) =>
          output === earlier.output && feed === earlier.feed && component === earlier.component,
      );
      if (level === undefined || result === undefined) {
        throw fail('VC6106', {
          where: name,
          found: `${show(was.level)}, ${show(earlier.output)} of ${show(earlier.component)}, fed ${show(earlier.feed)}`,
          expected: 'outputs that are compared now, too',
        });
      }
      const precision = level.level === 'rewrite' ? 'fp32' : precisionOfResult(result, precisionOf);
      return Object.entries(limits).flatMap(([key, limitOf]): GateVerdict[] => {
        const metric = key as MetricName;
        const { direction, read } = gateMetrics[metric];
        const before = readNumber(metric, earlier.metrics);
        const value = read(result.metrics);
        if (before === undefined || value === undefined) return [];
        const limit = limitOf(before, result.metrics.logits?.n ?? 0, precision);
        return [
          {
            level: level.level,
            feed: result.feed,
            output: result.output,
            component: result.component,
            metric,
            precision,
            direction,
            limit,
            from: 'baseline',
            value,
            passed: passes(direction, value, limit),
          },
        ];
      });
    });
  });
  if (verdicts.length === 0) throw fail('VC6106', { where: name, found: 'no measured output' });
  return verdicts;
}

function objects(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** A finite number of an earlier report; null stands for what was infinite then and is no limit. */
function readNumber(metric: MetricName, metrics: JsonValue | undefined): number | undefined {
  if (!isJsonObject(metrics)) return undefined;
  // Reads one number, which is checked; whatever else the object holds is not looked at.
  const value: unknown = gateMetrics[metric].read(metrics as unknown as Metrics);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
