/**
 * Two values of one name: floats by the metrics of parity (metrics.ts), everything else by how many elements differ.
 * Rows are those of the last axis.
 */

import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import { type DType, placeOf } from '../../tensor/dtype.ts';
import { Comparison, type Metrics } from '../metrics.ts';

export interface ValueComparison {
  readonly name: string;
  /** In the first and in the second model. */
  readonly dtypes: readonly [DType, DType];
  readonly shape: readonly number[];
  /** Of floats; left out where there is no element. */
  readonly metrics?: Metrics;
  /** Of everything else. */
  readonly different?: { readonly count: number; readonly of: number; readonly first?: string };
  /** Elements that are the same infinity, or NaN, in both; they count as equal. */
  readonly sameNonFinite?: number;
}

const floats: readonly DType[] = ['float16', 'float32', 'float64'];

/** The two must have the same shape, and be floats both or of the same other type: see `comparable`. */
export function compareValues(name: string, first: RunTensor, second: RunTensor): ValueComparison {
  const base = { name, dtypes: [first.dtype, second.dtype] as const, shape: first.shape };
  if (!floats.includes(first.dtype)) return { ...base, different: countDifferent(first, second) };
  const width = first.shape.at(-1) ?? 1;
  const { reference, output, same } = alignNonFinite(toFloat32(first), toFloat32(second));
  const shared = same === 0 ? {} : { sameNonFinite: same };
  if (reference.length === 0) return { ...base, ...shared };
  const comparison = new Comparison({ logits: /logits/i.test(name) && width > 1 });
  comparison.add({ data: reference, width, place: (row) => placeOf(first.shape.slice(0, -1), row) }, output);
  const metrics = comparison.finish();
  return { ...base, ...(metrics === undefined ? {} : { metrics }), ...shared };
}

/** Why two values cannot be compared; undefined when they can. */
export function notComparable(first: RunTensor, second: RunTensor): string | undefined {
  if (first.shape.join() !== second.shape.join()) return `[${first.shape}] and [${second.shape}]`;
  const both = floats.includes(first.dtype) && floats.includes(second.dtype);
  return both || first.dtype === second.dtype ? undefined : `${first.dtype} and ${second.dtype}`;
}

/**
 * Infinities and NaNs are part of many graphs (masks): where both have the same, they are equal and both become 0;
 * where only one has it, or another, the output's becomes NaN, which the metrics count.
 */
function alignNonFinite(
  first: Float32Array,
  second: Float32Array,
): { readonly reference: Float32Array; readonly output: Float32Array; readonly same: number } {
  if (first.every(Number.isFinite)) return { reference: first, output: second, same: 0 };
  const reference = Float32Array.from(first);
  const output = Float32Array.from(second);
  let same = 0;
  for (const [index, value] of first.entries()) {
    if (Number.isFinite(value)) continue;
    const equal = Object.is(value, second[index]);
    reference[index] = 0;
    output[index] = equal ? 0 : Number.NaN;
    if (equal) same += 1;
  }
  return { reference, output, same };
}

function countDifferent(first: RunTensor, second: RunTensor): NonNullable<ValueComparison['different']> {
  let count = 0;
  let at = -1;
  for (let index = 0; index < first.data.length; index += 1) {
    if (first.data[index] === second.data[index]) continue;
    count += 1;
    if (at === -1) at = index;
  }
  return {
    count,
    of: first.data.length,
    ...(at === -1 ? {} : { first: `${placeOf(first.shape, at)}: ${first.data[at]} and ${second.data[at]}` }),
  };
}
