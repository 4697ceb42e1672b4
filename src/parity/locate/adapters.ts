/**
 * Weights that adapters were merged into, against the weight and the adapter apart, as merge-lora does it: `W@viewN`, or
 * `W@lora` where all views share one, of W [in, out], the factors A [V, in, r] and B [V, r, out] of all views and scale [V, 1, 1].
 */
import { floats, formatFactor, proportion, relativeError } from './arrays.ts';
import type { Constant } from './constants.ts';
import type { TensorFault } from './weights.ts';

/** Undefined where the constant is no merged weight whose parts are among `before`. */
export function mergedFrom(found: Constant, before: readonly Constant[]): Merged | undefined {
  if (before.some(({ name }) => name === found.name)) return undefined;
  const [, base, view = '0'] = /^(.+)@(?:view(\d+)|lora)$/.exec(found.name) ?? [];
  const weight = before.find(({ name }) => name === base);
  if (weight === undefined) return undefined;
  // Where several modules have adapters of one shape, names tell them apart.
  const own = `${base?.replace(/\.weight$/, '')}.lora.`;
  const named = before.filter(({ name }) => name.startsWith(own));
  const update = updateOf(named.length > 0 ? named : before, Number(view), weight.value.shape);
  return update && { weight: floats(weight.value), update };
}

export interface Merged {
  /** [in, out] */
  readonly weight: Float32Array;
  /** What the adapter adds to it. */
  readonly update: Float32Array;
}

/** Undefined where nothing is wrong. */
export function adapterFault(
  found: Constant,
  { weight, update }: Merged,
  exactTo: number,
): TensorFault | undefined {
  const wanted = weight.map((value, at) => value + (update[at] ?? 0));
  const own = floats(found.value);
  const relative = relativeError(wanted, own);
  if (relative <= exactTo) return undefined;
  // The difference of two weights has their rounding in it.
  const factor = proportion(
    update,
    own.map((value, at) => value - (weight[at] ?? 0)),
    1e-3,
  );
  const what =
    factor === undefined
      ? 'its adapter is merged wrongly'
      : `its adapter is ${formatFactor(factor)} times what it should be`;
  return { name: found.name, kind: 'adapter', relative, what };
}

/** scale · A · B of one view: [in, out]. */
function updateOf(
  constants: readonly Constant[],
  view: number,
  [rows = 0, columns = 0]: readonly number[],
): Float32Array | undefined {
  const stacks = constants.filter(({ value: { shape } }) => shape.length === 3);
  const a = stacks.find(({ value: { shape } }) => shape[1] === rows && shape[2] !== 1);
  const b = stacks.find(
    (one) => one !== a && one.value.shape[2] === columns && one.value.shape[1] === a?.value.shape[2],
  );
  const scale = stacks.find(({ value: { shape } }) => shape[1] === 1 && shape[2] === 1);
  if (a === undefined || b === undefined || scale === undefined) return undefined;
  const rank = a.value.shape[2] ?? 0;
  const [left, right] = [floats(a.value), floats(b.value)];
  const factor = floats(scale.value)[view] ?? 0;
  const update = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      for (let k = 0; k < rank; k += 1) {
        sum +=
          (left[(view * rows + row) * rank + k] ?? 0) * (right[(view * rank + k) * columns + column] ?? 0);
      }
      update[row * columns + column] = factor * sum;
    }
  }
  return update;
}
