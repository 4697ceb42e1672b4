/** What logits say: the pick, ranks and softmaxes of a row of [vocab] numbers, in float64. */

/** Index of the largest number, the first of equals; not finite ones are passed over. */
export function argMax(values: Float32Array): number {
  let best = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? Number.NaN;
    if (value > most) {
      most = value;
      best = index;
    }
  }
  return best;
}

/** How many come before `index` when the largest comes first, of equals the first; infinite for what is no number. */
export function rankOf(values: Float32Array, index: number): number {
  const own = values[index];
  if (own === undefined || Number.isNaN(own)) return Number.POSITIVE_INFINITY;
  let rank = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? Number.NaN;
    if (value > own || (value === own && i < index)) rank += 1;
  }
  return rank;
}

/** KL(softmax(reference) || softmax(output)) in nats, float64. Never below 0 but for rounding. */
export function klDivergence(reference: Float32Array, output: Float32Array): number {
  return divergence(reference, logSumExp(reference), output, logSumExp(output));
}

/** The same, given the logarithms of the sums of exponentials. */
export function divergence(
  reference: Float32Array,
  logR: number,
  output: Float32Array,
  logO: number,
): number {
  let kl = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const logP = (reference[i] as number) - logR;
    kl += Math.exp(logP) * (logP - ((output[i] as number) - logO));
  }
  return Math.max(kl, 0);
}

export function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i += 1) most = Math.max(most, values[i] as number);
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += Math.exp((values[i] as number) - most);
  return most + Math.log(sum);
}
