/**
 * The loops over elements behind metrics: small functions over some thousands of elements, which add to a Float64Array,
 * for these are compiled well however they are called. One long loop in a larger function costs ten times as much, since
 * it is left for an interpreter again whenever something after it is new.
 *
 * Everything is summed in float64.
 */

/** Elements of one call: so few that the function is compiled as a whole, not its loop alone in the middle of it. */
const chunk = 512;

/** What the errors of one row come to; sums are over the elements that are finite in both. */
export interface ErrorSums {
  readonly elements: number;
  readonly sumR: number;
  readonly sumAbs: number;
  readonly squaresR: number;
  readonly squaresO: number;
  readonly squaresE: number;
  readonly dot: number;
  /** Largest |error| and its index; -1 where there is none. */
  readonly maxAbs: number;
  readonly maxAt: number;
  /** Largest element of the reference and its index, the first of equals; largest of the output. */
  readonly mostR: number;
  readonly pick: number;
  readonly mostO: number;
  /** Indices of the first element of each that is not finite; -1 where there is none. */
  readonly badR: number;
  readonly badO: number;
}

/** Places of `ErrorSums` in the array that loops add to. */
const at = {
  ...{ elements: 0, sumR: 1, sumAbs: 2, squaresR: 3, squaresO: 4, squaresE: 5, dot: 6, maxAbs: 7, maxAt: 8 },
  ...{ mostR: 9, pick: 10, mostO: 11, badR: 12, badO: 13 },
} as const satisfies Record<keyof ErrorSums, number>;

/**
 * Sums of output - reference; errors that are finite are put into `errors`, one after the other. Stops where the
 * reference is not finite. `rtols`, one per absolute tolerance of `atols` (which ascend), grow to what elements ask for.
 */
export function errorSums(
  reference: Float32Array,
  output: Float32Array,
  errors: Float32Array,
  atols: readonly number[],
  rtols: Float64Array,
): ErrorSums {
  const sums = new Float64Array(14);
  for (const place of [at.maxAbs, at.maxAt, at.pick, at.badR, at.badO]) sums[place] = -1;
  for (const place of [at.mostR, at.mostO]) sums[place] = Number.NEGATIVE_INFINITY;
  const tolerances = Float64Array.from(atols);
  for (let from = 0; from < reference.length; from += chunk) {
    const to = Math.min(from + chunk, reference.length);
    addErrors(reference, output, from, to, errors, sums);
    if ((sums[at.badR] as number) >= 0) break;
    widen(reference, output, from, to, tolerances, rtols, sums[at.maxAbs] as number);
  }
  const of = (name: keyof ErrorSums): number => sums[at[name]] as number;
  return {
    elements: of('elements'),
    sumR: of('sumR'),
    sumAbs: of('sumAbs'),
    squaresR: of('squaresR'),
    squaresO: of('squaresO'),
    squaresE: of('squaresE'),
    dot: of('dot'),
    maxAbs: of('maxAbs'),
    maxAt: of('maxAt'),
    mostR: of('mostR'),
    pick: of('pick'),
    mostO: of('mostO'),
    badR: of('badR'),
    badO: of('badO'),
  };
}

function addErrors(
  reference: Float32Array,
  output: Float32Array,
  from: number,
  to: number,
  errors: Float32Array,
  sums: Float64Array,
): void {
  let elements = sums[at.elements] as number;
  let sumR = sums[at.sumR] as number;
  let sumAbs = sums[at.sumAbs] as number;
  let squaresR = sums[at.squaresR] as number;
  let squaresO = sums[at.squaresO] as number;
  let squaresE = sums[at.squaresE] as number;
  let dot = sums[at.dot] as number;
  let maxAbs = sums[at.maxAbs] as number;
  let maxAt = sums[at.maxAt] as number;
  let mostR = sums[at.mostR] as number;
  let pick = sums[at.pick] as number;
  let mostO = sums[at.mostO] as number;
  for (let i = from; i < to; i += 1) {
    const r = reference[i] as number;
    const o = output[i] as number;
    const error = o - r;
    if (r > mostR) {
      mostR = r;
      pick = i;
    }
    // Not finite where one of both is not: their difference cannot overflow a double.
    if (!(error - error === 0)) {
      if (!(r - r === 0)) {
        sums[at.badR] = i;
        return;
      }
      if ((sums[at.badO] as number) < 0) sums[at.badO] = i;
      continue;
    }
    const abs = Math.abs(error);
    mostO = Math.max(mostO, o);
    errors[elements] = error;
    elements += 1;
    sumR += r;
    dot += r * o;
    squaresR += r * r;
    squaresO += o * o;
    squaresE += error * error;
    sumAbs += abs;
    if (abs > maxAbs) {
      maxAbs = abs;
      maxAt = i;
    }
  }
  sums[at.elements] = elements;
  sums[at.sumR] = sumR;
  sums[at.sumAbs] = sumAbs;
  sums[at.squaresR] = squaresR;
  sums[at.squaresO] = squaresO;
  sums[at.squaresE] = squaresE;
  sums[at.dot] = dot;
  sums[at.maxAbs] = maxAbs;
  sums[at.maxAt] = maxAt;
  sums[at.mostR] = mostR;
  sums[at.pick] = pick;
  sums[at.mostO] = mostO;
}

/** `most`: no error is larger. */
function widen(
  reference: Float32Array,
  output: Float32Array,
  from: number,
  to: number,
  atols: Float64Array,
  rtols: Float64Array,
  most: number,
): void {
  for (let index = 0; index < atols.length; index += 1) {
    const atol = atols[index] as number;
    if (most <= atol) return;
    let rtol = rtols[index] as number;
    for (let i = from; i < to; i += 1) {
      const r = reference[i] as number;
      const size = Math.abs(r);
      const beyond = Math.abs((output[i] as number) - r) - atol;
      // Divides only where it grows; what is not finite in the output asks for nothing.
      if (beyond > rtol * size && beyond < Number.MAX_VALUE) rtol = Math.max(rtol, beyond / size);
    }
    rtols[index] = rtol;
  }
}

/** Sum of squares of reference - mean, over the elements that are finite in the output. */
export function squaresAround(reference: Float32Array, output: Float32Array, mean: number): number {
  let sum = 0;
  for (let from = 0; from < reference.length; from += chunk) {
    sum += squaresOf(reference, output, from, Math.min(from + chunk, reference.length), mean);
  }
  return sum;
}

function squaresOf(
  reference: Float32Array,
  output: Float32Array,
  from: number,
  to: number,
  mean: number,
): number {
  let sum = 0;
  for (let i = from; i < to; i += 1) {
    const delta = (reference[i] as number) - mean;
    const o = output[i] as number;
    if (o - o === 0) sum += delta * delta;
  }
  return sum;
}

/** Two softmaxes, of which the first counts as right. */
export interface SoftmaxComparison {
  /** KL(softmax(reference) || softmax(output)) in nats. Never below 0 but for rounding. */
  readonly kl: number;
  /** Logarithms of the sums of exponentials. */
  readonly logR: number;
  readonly logO: number;
}

/**
 * Both at once, given the largest number of each. With p = exp(r - logR) the divergence is the mean of r - o under p,
 * less logR - logO.
 */
export function compareSoftmax(
  reference: Float32Array,
  mostR: number,
  output: Float32Array,
  mostO: number,
): SoftmaxComparison {
  const sums = new Float64Array(3);
  for (let from = 0; from < reference.length; from += chunk) {
    addExponentials(reference, mostR, output, mostO, from, Math.min(from + chunk, reference.length), sums);
  }
  const [r = 0, o = 0, apart = 0] = sums;
  const [logR, logO] = [Math.log(r), Math.log(o)];
  return { kl: Math.max(apart / r - logR + logO, 0), logR: mostR + logR, logO: mostO + logO };
}

function addExponentials(
  reference: Float32Array,
  mostR: number,
  output: Float32Array,
  mostO: number,
  from: number,
  to: number,
  sums: Float64Array,
): void {
  let sumR = sums[0] as number;
  let sumO = sums[1] as number;
  let apart = sums[2] as number;
  for (let i = from; i < to; i += 1) {
    const r = (reference[i] as number) - mostR;
    const o = (output[i] as number) - mostO;
    const e = Math.exp(r);
    sumR += e;
    sumO += Math.exp(o);
    apart += e * (r - o);
  }
  sums[0] = sumR;
  sums[1] = sumO;
  sums[2] = apart;
}

/** Standard deviation of all elements. */
export function deviationOf(values: Float32Array): number {
  const { length } = values;
  if (length === 0) return 0;
  let sum = 0;
  for (let from = 0; from < length; from += chunk) sum += sumOf(values, from, Math.min(from + chunk, length));
  return Math.sqrt(squaresAround(values, values, sum / length) / length);
}

function sumOf(values: Float32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i += 1) sum += values[i] as number;
  return sum;
}

/** Sums over one value of a block and its reference, over the elements that are finite in both. */
export interface BlockSums {
  readonly squaresR: number;
  readonly squaresO: number;
  readonly squaresE: number;
  readonly dot: number;
  /** The largest error over the larger of the element and the deviation, where it exceeds what was given, and its index. */
  readonly worst: number;
  readonly worstAt: number;
  /** Elements of the output that are not finite, and the first of them. */
  readonly bad: number;
  readonly badAt: number;
  /** The first element of the reference that is not finite; -1 where there is none. */
  readonly badR: number;
}

/** `worst`: the largest error so far. Stops where the reference is not finite. */
export function blockSums(
  reference: Float32Array,
  output: Float32Array,
  deviation: number,
  worst: number,
): BlockSums {
  const sums = Float64Array.of(0, 0, 0, 0, worst, -1, 0, -1, -1);
  for (let from = 0; from < reference.length; from += chunk) {
    addBlock(reference, output, deviation, from, Math.min(from + chunk, reference.length), sums);
    if ((sums[8] as number) >= 0) break;
  }
  const [squaresR = 0, squaresO = 0, squaresE = 0, dot = 0, most = 0, worstAt = -1] = sums;
  const [bad = 0, badAt = -1, badR = -1] = sums.subarray(6);
  return { squaresR, squaresO, squaresE, dot, worst: most, worstAt, bad, badAt, badR };
}

function addBlock(
  reference: Float32Array,
  output: Float32Array,
  deviation: number,
  from: number,
  to: number,
  sums: Float64Array,
): void {
  let squaresR = sums[0] as number;
  let squaresO = sums[1] as number;
  let squaresE = sums[2] as number;
  let dot = sums[3] as number;
  let worst = sums[4] as number;
  let worstAt = sums[5] as number;
  for (let i = from; i < to; i += 1) {
    const r = reference[i] as number;
    const o = output[i] as number;
    const error = o - r;
    if (!(error - error === 0)) {
      if (!(r - r === 0)) {
        sums[8] = i;
        return;
      }
      if (sums[6] === 0) sums[7] = i;
      sums[6] = (sums[6] as number) + 1;
      continue;
    }
    squaresR += r * r;
    squaresO += o * o;
    squaresE += error * error;
    dot += r * o;
    const abs = Math.abs(error);
    const unit = Math.max(Math.abs(r), deviation);
    if (abs > worst * unit) {
      worst = abs / unit;
      worstAt = i;
    }
  }
  sums[0] = squaresR;
  sums[1] = squaresO;
  sums[2] = squaresE;
  sums[3] = dot;
  sums[4] = worst;
  sums[5] = worstAt;
}
