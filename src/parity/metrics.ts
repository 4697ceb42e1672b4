/**
 * How far an output is from the reference. Outputs are read as rows of `width` numbers (one row per token, or
 * per head and slot of a cache); everything is accumulated in float64.
 *
 * Definitions, r the reference, o the output:
 * - `maxStd` = max|o - r| / std(r), `meanStd` = mean|o - r| / std(r), std over all elements; where they are all the same
 *   number (an output of one element), their size stands for it
 * - `relative` = ||o - r|| / ||r||, over all elements
 * - `cosine` = r·o / (||r|| ||o||), over all elements; `worstCosine` the same for the worst row
 * - `quantiles` of |o - r| / std(r), each off by at most 1/256 of itself (distribution.ts)
 * - `tolerances`: for each `atol`, the smallest `rtol` with |o - r| ≤ atol + rtol |r| everywhere, in the output's units
 * - for logits: `kl` = mean over rows of KL(softmax r || softmax o) in nats, `klMax` its maximum,
 *   `top1` = share of rows with the same arg max, `top5` = share of rows where the reference's arg max is among the
 *   output's five largest, both with Wilson's interval at 95 %
 * - `perplexity` = exp of the mean of -log softmax at the token that follows, in nats, teacher forced: the prompt's
 *   own next token, then the reference's picks
 * - for drawn pictures: `psnr` and `worst-block`, in picture-metrics.ts
 * - for choices: `agreement` and `in-place`, in choice-metrics.ts
 */
import type { ChoiceMetrics } from './choice-metrics.ts';
import { ErrorDistribution, type Histogram } from './distribution.ts';
import type { PictureMetrics } from './picture-metrics.ts';
import { compareSoftmax, errorSums, squaresAround } from './row-sums.ts';
import { rankOf } from './softmax.ts';

export type { Histogram } from './distribution.ts';
export { argMax, klDivergence } from './softmax.ts';

/** Where something happened, for people: `tile row 0 column 1, token 12`. */
export type Place = (row: number) => string;

export interface Worst {
  readonly value: number;
  readonly where: string;
}

export interface Metrics {
  /** Elements and rows compared; never zero. */
  readonly elements: number;
  readonly rows: number;
  /** Standard deviation of the reference. */
  readonly std: number;
  /** Nowhere (an empty place) when nothing differs. */
  readonly maxAbs: Worst;
  readonly meanAbs: number;
  readonly maxStd: number;
  readonly meanStd: number;
  readonly relative: number;
  readonly cosine: number;
  readonly worstCosine: Worst;
  /** Elements of the output that are not finite; the other numbers leave them out. */
  readonly nonFinite: { readonly count: number; readonly first?: string };
  /** Shares of the elements that are off by at most so many standard deviations of the reference. */
  readonly quantiles?: Quantiles;
  readonly tolerances?: readonly Tolerance[];
  readonly logits?: LogitMetrics;
  /** Of features whose place in the picture is known. */
  readonly tokens?: readonly TokenMap[];
  /** Of drawn pictures. */
  readonly picture?: PictureMetrics;
  readonly choices?: ChoiceMetrics;
  /** Of output - reference over the reference's standard deviation. */
  readonly differences?: Histogram;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
}

export interface Tolerance {
  readonly atol: number;
  /** Infinite where the reference is zero and the error larger than atol. */
  readonly rtol: number;
}

/** Absolute tolerances for which the relative one is measured. */
export const atols = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1] as const;

/** Relative error per row, for rows that are tokens of a picture or a sound: one map per view, row-major. */
export interface TokenMap {
  readonly view: string;
  readonly rows: number;
  readonly columns: number;
  /** ‖error‖ / ‖reference‖ of each token, infinite where the output is not finite. */
  readonly errors: readonly number[];
  /** Of a sound, whose tokens are one row in time: seconds in each. */
  readonly seconds?: number;
}

/** Where the tokens of one view are among the rows that are added. */
export interface TokenGrid {
  readonly view: string;
  readonly rows: number;
  readonly columns: number;
  /** Row of the comparison that holds the first token. */
  readonly first: number;
  /** As in `TokenMap`. */
  readonly seconds?: number;
}

/** Between which a share lies with a confidence of 95 %. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface LogitMetrics {
  readonly kl: number;
  readonly klMax: Worst;
  readonly top1: number;
  readonly top1Interval?: Interval;
  readonly agreed: number;
  readonly top5?: number;
  readonly top5Interval?: Interval;
  readonly agreed5?: number;
  /** Left out where no row's next token is known. */
  readonly perplexity?: Perplexity;
  /** Rows compared. */
  readonly n: number;
}

export interface Perplexity {
  readonly reference: number;
  readonly output: number;
  /** output / reference - 1. */
  readonly change: number;
  /** Tokens that were predicted. */
  readonly n: number;
}

export interface Rows {
  readonly data: Float32Array;
  readonly width: number;
  readonly place: Place;
  /** Of logits: the token that follows each row; undefined where none is known. */
  readonly next?: readonly (number | undefined)[];
}

export interface ComparisonOptions {
  readonly logits: boolean;
  /** Views whose tokens' errors are kept. */
  readonly tokens?: readonly TokenGrid[];
}

/** Accumulates comparisons of one kind of output over prompts, layers and steps. */
export class Comparison {
  readonly #logits: boolean;
  readonly #grids: readonly TokenGrid[];
  /** Relative error of the rows that grids are about. */
  readonly #rowErrors: Float64Array;
  readonly #distribution = new ErrorDistribution();
  readonly #rtols = new Float64Array(atols.length);
  #errors = new Float32Array(0);
  #elements = 0;
  #rows = 0;
  #mean = 0;
  #m2 = 0;
  #squaresR = 0;
  #squaresO = 0;
  #squaresE = 0;
  #dot = 0;
  #sumAbs = 0;
  #maxAbs = { value: 0, where: '' };
  #worstCosine = { value: Number.POSITIVE_INFINITY, where: '' };
  #badCount = 0;
  #badFirst: string | undefined;
  #badReference: string | undefined;
  #sumKl = 0;
  #klMax = { value: Number.NEGATIVE_INFINITY, where: '' };
  #agreed = 0;
  #agreed5 = 0;
  #predicted = 0;
  #nllR = 0;
  #nllO = 0;

  constructor(options: ComparisonOptions) {
    this.#logits = options.logits;
    this.#grids = options.tokens ?? [];
    const ends = this.#grids.map(({ rows, columns, first }) => first + rows * columns);
    this.#rowErrors = new Float64Array(Math.max(0, ...ends));
  }

  /** Rows of output against rows of the reference; throws a RangeError when the lengths differ. */
  add(reference: Rows, output: Float32Array): void {
    const { data, width, place, next } = reference;
    if (data.length !== output.length || width <= 0 || data.length % width !== 0) {
      throw new RangeError(`${data.length} and ${output.length} elements are not rows of ${width}`);
    }
    for (let row = 0; row < data.length / width; row += 1) {
      const from = row * width;
      const at = () => place(row);
      this.#addRow(data.subarray(from, from + width), output.subarray(from, from + width), at, next?.[row]);
    }
  }

  #addRow(
    reference: Float32Array,
    output: Float32Array,
    where: () => string,
    next: number | undefined,
  ): void {
    const errors = this.#errorsOf(reference.length);
    const sums = errorSums(reference, output, errors, atols, this.#rtols);
    const { elements, squaresR, squaresO, squaresE, dot, maxAbs } = sums;
    if (sums.badR >= 0) {
      this.#badReference ??= `${where()}, channel ${sums.badR}: ${reference[sums.badR]}`;
      return;
    }
    if (sums.badO >= 0) this.#badFirst ??= `${where()}, channel ${sums.badO}: ${output[sums.badO]}`;
    const bad = reference.length - elements;
    this.#distribution.add(errors.subarray(0, elements));
    this.#addMoments(reference, output, elements, sums.sumR);
    if (this.#rows < this.#rowErrors.length) {
      const relative = ratio(Math.sqrt(squaresE), Math.sqrt(squaresR));
      this.#rowErrors[this.#rows] = bad > 0 ? Number.POSITIVE_INFINITY : relative;
    }
    this.#rows += 1;
    this.#badCount += bad;
    this.#sumAbs += sums.sumAbs;
    this.#squaresE += squaresE;
    this.#dot += dot;
    this.#squaresR += squaresR;
    this.#squaresO += squaresO;
    if (maxAbs > this.#maxAbs.value)
      this.#maxAbs = { value: maxAbs, where: `${where()}, channel ${sums.maxAt}` };
    const cosine = cosineOf(dot, squaresR, squaresO);
    if (cosine < this.#worstCosine.value) this.#worstCosine = { value: cosine, where: where() };
    if (!this.#logits) return;
    const rank = rankOf(output, sums.pick);
    if (rank < 1) this.#agreed += 1;
    if (rank < 5) this.#agreed5 += 1;
    const { kl, logR, logO } = compareSoftmax(reference, sums.mostR, output, sums.mostO);
    const own = bad > 0 ? Number.POSITIVE_INFINITY : kl;
    this.#sumKl += own;
    if (own > this.#klMax.value) this.#klMax = { value: own, where: where() };
    if (next === undefined) return;
    this.#predicted += 1;
    this.#nllR += logR - (reference[next] ?? Number.NEGATIVE_INFINITY);
    this.#nllO += bad > 0 ? Number.POSITIVE_INFINITY : logO - (output[next] ?? Number.NEGATIVE_INFINITY);
  }

  /** Room for the errors of a row, the same for all. */
  #errorsOf(width: number): Float32Array {
    if (this.#errors.length < width) this.#errors = new Float32Array(width);
    return this.#errors;
  }

  /**
   * Joins a row's mean and squared deviations to those before (Chan, Golub and LeVeque 1979): exact enough where the
   * mean is large against the deviation.
   */
  #addMoments(reference: Float32Array, output: Float32Array, elements: number, sum: number): void {
    if (elements === 0) return;
    const mean = sum / elements;
    const m2 = squaresAround(reference, output, mean);
    const all = this.#elements + elements;
    const apart = mean - this.#mean;
    this.#m2 += m2 + (apart * apart * this.#elements * elements) / all;
    this.#mean += (apart * elements) / all;
    this.#elements = all;
  }

  /** What the reference gave that is not finite, with its place: no comparison means anything then. */
  get badReference(): string | undefined {
    return this.#badReference;
  }

  /** The numbers, or undefined when nothing was compared. */
  finish(): Metrics | undefined {
    if (this.#rows === 0 || (this.#elements === 0 && this.#badCount === 0)) return undefined;
    const n = Math.max(this.#elements, 1);
    const std = Math.sqrt(this.#m2 / n);
    const unit = spread(std, Math.sqrt(this.#squaresR / n));
    const maxAbs = this.#maxAbs.value;
    const meanAbs = this.#sumAbs / n;
    return {
      elements: this.#elements + this.#badCount,
      rows: this.#rows,
      std,
      maxAbs: this.#maxAbs,
      meanAbs,
      maxStd: ratio(maxAbs, unit),
      meanStd: ratio(meanAbs, unit),
      relative: ratio(Math.sqrt(this.#squaresE), Math.sqrt(this.#squaresR)),
      cosine: cosineOf(this.#dot, this.#squaresR, this.#squaresO),
      worstCosine: this.#worstCosine,
      nonFinite: {
        count: this.#badCount,
        ...(this.#badFirst === undefined ? {} : { first: this.#badFirst }),
      },
      ...this.#finishDistribution(unit),
      tolerances: atols.map((atol, index) => ({ atol, rtol: this.#rtols[index] ?? 0 })),
      ...(this.#logits ? { logits: this.#finishLogits() } : {}),
      ...(this.#grids.length === 0 ? {} : { tokens: this.#grids.map((grid) => this.#finishMap(grid)) }),
    };
  }

  #finishDistribution(std: number): Pick<Metrics, 'quantiles' | 'differences'> {
    const at = (share: number): number => ratio(this.#distribution.quantile(share), std);
    // Against a constant reference there is no unit for the edges.
    const differences = std > 0 ? this.#distribution.histogram(std) : undefined;
    return {
      quantiles: { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999) },
      ...(differences === undefined ? {} : { differences }),
    };
  }

  #finishMap({ view, rows, columns, first, seconds }: TokenGrid): TokenMap {
    const errors = [...this.#rowErrors.subarray(first, first + rows * columns)];
    return { view, rows, columns, errors, ...(seconds === undefined ? {} : { seconds }) };
  }

  #finishLogits(): LogitMetrics {
    const n = this.#rows;
    const reference = Math.exp(this.#nllR / this.#predicted);
    const output = Math.exp(this.#nllO / this.#predicted);
    return {
      kl: this.#sumKl / n,
      klMax: this.#klMax,
      top1: this.#agreed / n,
      top1Interval: wilson(this.#agreed, n),
      agreed: this.#agreed,
      top5: this.#agreed5 / n,
      top5Interval: wilson(this.#agreed5, n),
      agreed5: this.#agreed5,
      ...(this.#predicted === 0
        ? {}
        : { perplexity: { reference, output, change: output / reference - 1, n: this.#predicted } }),
      n,
    };
  }
}

/** Two zero rows are equal; a zero row against another one has nothing in common with it. */
function cosineOf(dot: number, squaresA: number, squaresB: number): number {
  if (squaresA === 0 && squaresB === 0) return 1;
  if (squaresA === 0 || squaresB === 0) return 0;
  return dot / Math.sqrt(squaresA * squaresB);
}

/** Below this share of the size of the elements, their standard deviation is rounding. */
const leastSpread = 1e-7;

/** What errors are measured in: the standard deviation, or the root mean square where there is none to speak of. */
export function spread(std: number, rms: number): number {
  return std > leastSpread * rms ? std : rms;
}

/** An error against a constant reference is infinitely large in its units. */
function ratio(error: number, unit: number): number {
  return error === 0 ? 0 : error / unit;
}

/** Wilson's score interval of `hits` in `n`, at 95 % (Wilson 1927); `n` is at least 1. */
export function wilson(hits: number, n: number): Interval {
  const z = 1.959963984540054;
  const share = hits / n;
  const middle = share + (z * z) / (2 * n);
  const reach = z * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  const whole = 1 + (z * z) / n;
  return { low: Math.max(0, (middle - reach) / whole), high: Math.min(1, (middle + reach) / whole) };
}
