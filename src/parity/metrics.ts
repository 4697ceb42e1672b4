/**
 * How far an output is from the reference. Outputs are read as rows of `width` numbers (one row per token, or
 * per head and slot of a cache); everything is accumulated in float64.
 *
 * Definitions, r the reference, o the output:
 * - `maxStd` = max|o - r| / std(r), `meanStd` = mean|o - r| / std(r), std over all elements
 * - `relative` = ||o - r|| / ||r||, over all elements
 * - `cosine` = r·o / (||r|| ||o||), over all elements; `worstCosine` the same for the worst row
 * - for logits: `kl` = mean over rows of KL(softmax r || softmax o) in nats, `klMax` its maximum,
 *   `top1` = share of rows with the same arg max
 */

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
  readonly logits?: LogitMetrics;
  /** Of features whose place in the picture is known. */
  readonly tokens?: readonly TokenMap[];
  /** Of output - reference over the reference's standard deviation. */
  readonly differences?: Histogram;
}

/** Relative error per row, for rows that are tokens of a picture: one map per view, row-major. */
export interface TokenMap {
  readonly view: string;
  readonly rows: number;
  readonly columns: number;
  /** ‖error‖ / ‖reference‖ of each token. */
  readonly errors: readonly number[];
}

/** Counts between edges; the first and the last bin hold what lies beyond. */
export interface Histogram {
  /** One more than counts. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

export interface LogitMetrics {
  readonly kl: number;
  readonly klMax: Worst;
  readonly top1: number;
  readonly agreed: number;
  /** Rows compared. */
  readonly n: number;
}

export interface Rows {
  readonly data: Float32Array;
  readonly width: number;
  readonly place: Place;
}

/** Accumulates comparisons of one kind of output over prompts, layers and steps. */
export class Comparison {
  readonly #logits: boolean;
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

  constructor(options: { readonly logits: boolean }) {
    this.#logits = options.logits;
  }

  /** Rows of output against rows of the reference; throws a RangeError when the lengths differ. */
  add(reference: Rows, output: Float32Array): void {
    const { data, width, place } = reference;
    if (data.length !== output.length || width <= 0 || data.length % width !== 0) {
      throw new RangeError(`${data.length} and ${output.length} elements are not rows of ${width}`);
    }
    for (let row = 0; row < data.length / width; row += 1) {
      const from = row * width;
      this.#addRow(data.subarray(from, from + width), output.subarray(from, from + width), () => place(row));
    }
  }

  #addRow(reference: Float32Array, output: Float32Array, where: () => string): void {
    let dot = 0;
    let squaresR = 0;
    let squaresO = 0;
    let maxAbs = -1;
    let maxAt = 0;
    let bad = 0;
    for (let i = 0; i < reference.length; i += 1) {
      const r = reference[i] ?? 0;
      const o = output[i] ?? 0;
      if (!Number.isFinite(r)) {
        this.#badReference ??= `${where()}, channel ${i}: ${r}`;
        return;
      }
      if (!Number.isFinite(o)) {
        bad += 1;
        this.#badFirst ??= `${where()}, channel ${i}: ${o}`;
        continue;
      }
      const error = o - r;
      const abs = Math.abs(error);
      dot += r * o;
      squaresR += r * r;
      squaresO += o * o;
      this.#squaresE += error * error;
      this.#sumAbs += abs;
      if (abs > maxAbs) {
        maxAbs = abs;
        maxAt = i;
      }
      // Welford: exact enough where the mean is large against the deviation.
      this.#elements += 1;
      const delta = r - this.#mean;
      this.#mean += delta / this.#elements;
      this.#m2 += delta * (r - this.#mean);
    }
    this.#rows += 1;
    this.#badCount += bad;
    this.#dot += dot;
    this.#squaresR += squaresR;
    this.#squaresO += squaresO;
    if (maxAbs > this.#maxAbs.value) this.#maxAbs = { value: maxAbs, where: `${where()}, channel ${maxAt}` };
    const cosine = cosineOf(dot, squaresR, squaresO);
    if (cosine < this.#worstCosine.value) this.#worstCosine = { value: cosine, where: where() };
    if (!this.#logits) return;
    const kl = bad > 0 ? Number.POSITIVE_INFINITY : klDivergence(reference, output);
    this.#sumKl += kl;
    if (kl > this.#klMax.value) this.#klMax = { value: kl, where: where() };
    if (argMax(reference) === argMax(output)) this.#agreed += 1;
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
    const maxAbs = this.#maxAbs.value;
    const meanAbs = this.#sumAbs / n;
    return {
      elements: this.#elements + this.#badCount,
      rows: this.#rows,
      std,
      maxAbs: this.#maxAbs,
      meanAbs,
      maxStd: ratio(maxAbs, std),
      meanStd: ratio(meanAbs, std),
      relative: ratio(Math.sqrt(this.#squaresE), Math.sqrt(this.#squaresR)),
      cosine: cosineOf(this.#dot, this.#squaresR, this.#squaresO),
      worstCosine: this.#worstCosine,
      nonFinite: {
        count: this.#badCount,
        ...(this.#badFirst === undefined ? {} : { first: this.#badFirst }),
      },
      ...(this.#logits
        ? {
            logits: {
              kl: this.#sumKl / this.#rows,
              klMax: this.#klMax,
              top1: this.#agreed / this.#rows,
              agreed: this.#agreed,
              n: this.#rows,
            },
          }
        : {}),
    };
  }
}

/** Index of the largest number, the first of equals; not finite ones are passed over. */
export function argMax(values: Float32Array): number {
  let best = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (const [index, value] of values.entries()) {
    if (value > most) {
      most = value;
      best = index;
    }
  }
  return best;
}

/** KL(softmax(reference) || softmax(output)) in nats, float64. Never below 0 but for rounding. */
export function klDivergence(reference: Float32Array, output: Float32Array): number {
  const logR = logSumExp(reference);
  const logO = logSumExp(output);
  let kl = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const logP = (reference[i] ?? 0) - logR;
    kl += Math.exp(logP) * (logP - ((output[i] ?? 0) - logO));
  }
  return Math.max(kl, 0);
}

function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) most = Math.max(most, value);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - most);
  return most + Math.log(sum);
}

/** Two zero rows are equal; a zero row against another one has nothing in common with it. */
function cosineOf(dot: number, squaresA: number, squaresB: number): number {
  if (squaresA === 0 && squaresB === 0) return 1;
  if (squaresA === 0 || squaresB === 0) return 0;
  return dot / Math.sqrt(squaresA * squaresB);
}

/** An error against a constant reference is infinitely large in its units. */
function ratio(error: number, unit: number): number {
  return error === 0 ? 0 : error / unit;
}
