/** What logits say: the pick, ranks and softmaxes of a row of [vocab] numbers, in float64. */
import { compareSoftmax } from './row-sums.ts';

/** Index of the largest number, the first of equals; not finite ones are passed over. */
export function argMax(values: Float32Array): number {
  let best = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
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
    const value = values[i] as number;
    if (value > own || (value === own && i < index)) rank += 1;
  }
  return rank;
}

/** KL(softmax(reference) || softmax(output)) in nats, float64. */
export function klDivergence(reference: Float32Array, output: Float32Array): number {
  const most = (values: Float32Array): number => values[argMax(values)] ?? Number.NaN;
  return compareSoftmax(reference, most(reference), output, most(output)).kl;
}
