/**
 * Queries, keys and values as their product reads them, and what they are before that: scaled by a number, transposed,
 * with leading axes merged or split, heads repeated. Each place on the way up is a candidate; the one with an axis of
 * heads is taken.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import type { Dim } from '../../../graph/types.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import { constantScalar } from '../../../rewrite/constants.ts';
import { matrixSwap, permOf, sameOrder } from './layout.ts';
import { sameMatrices } from './scores.ts';

/** A matrix per head: `value` times `factor`, its last two axes swapped where `swapped`. */
export interface Operand {
  readonly value: Value;
  readonly factor: number;
  readonly swapped: boolean;
  /** Its leading axes are those that the product has. */
  readonly direct: boolean;
}

/** What a product reads, then what that comes from. `scalable`: factors may be taken out. */
export function candidates(value: Value, swapped: boolean, scalable: boolean): readonly Operand[] {
  const found: Operand[] = [{ value, factor: 1, swapped, direct: true }];
  for (let last = found[0]; last !== undefined; last = above(last, scalable)) {
    if (last !== found[0]) found.push(last);
  }
  return found;
}

function above(operand: Operand, scalable: boolean): Operand | undefined {
  const { value, factor, swapped, direct } = operand;
  const node = value.producer;
  const input = node?.input(0);
  const rank = dimsOf(value)?.length;
  if (node === undefined || input === undefined || rank === undefined) return undefined;
  switch (node.op) {
    case 'Identity':
      return { ...operand, value: input };
    case 'Mul':
    case 'Div': {
      const scaled = scalable ? scaledBy(node) : undefined;
      return scaled === undefined || dimsOf(scaled.value)?.length !== rank
        ? undefined
        : { ...operand, value: scaled.value, factor: factor * scaled.factor };
    }
    case 'Transpose': {
      const perm = permOf(node);
      return perm !== undefined && sameOrder(perm, matrixSwap(rank))
        ? { ...operand, value: input, swapped: !swapped }
        : undefined;
    }
    case 'Reshape':
    case 'Squeeze':
    case 'Unsqueeze':
      return sameMatrices(input, value)
        ? { value: input, factor, swapped, direct: direct && dimsOf(input)?.length === rank }
        : undefined;
    default:
      return undefined;
  }
}

interface Scaled {
  readonly value: Value;
  readonly factor: number;
}

export function scaledBy(node: Node): Scaled | undefined {
  const [left, right] = [node.input(0), node.input(1)];
  if (left === undefined || right === undefined) return undefined;
  const factor = constantScalar(right);
  if (factor !== undefined) return { value: left, factor: node.op === 'Div' ? 1 / factor : factor };
  const other = node.op === 'Mul' ? constantScalar(left) : undefined;
  return other === undefined ? undefined : { value: right, factor: other };
}

/** The candidate furthest up that has a static axis of heads before the last two: of four axes, else of more. */
export function withHeads(list: readonly Operand[]): Operand | undefined {
  const found = list.filter(({ value }) => {
    const dims = dimsOf(value);
    return dims !== undefined && dims.length >= 4 && typeof dims.at(-3) === 'number';
  });
  return found.findLast(({ value }) => dimsOf(value)?.length === 4) ?? found.at(-1);
}

/** The candidate furthest up whose leading axes are those of the product. */
export function asRead(list: readonly Operand[]): Operand | undefined {
  return list.findLast(({ direct }) => direct);
}

/** Keys and values before each of their heads was repeated as often for both; as they are where that is not so. */
export function withoutRepeats(
  k: Value,
  v: Value,
): { readonly k: Value; readonly v: Value; readonly groups: number } {
  const [keys, values] = [repeatedHeads(k), repeatedHeads(v)];
  return keys !== undefined && values !== undefined && keys.groups === values.groups
    ? { k: keys.value, v: values.value, groups: keys.groups }
    : { k, v, groups: 1 };
}

/**
 * Heads that are one head several times, [N, n, T, d] → [N, n · groups, T, d] by Unsqueeze (or Reshape), Expand,
 * Tile or Concat, and Reshape: the value before. Undefined for anything else.
 */
function repeatedHeads(value: Value): { readonly value: Value; readonly groups: number } | undefined {
  const joined = value.producer;
  const wide = joined?.op === 'Reshape' ? joined.input(0) : undefined;
  const repeat = wide?.producer;
  const narrow = repeat !== undefined && isRepeat(repeat) ? repeat.input(0) : undefined;
  const split = narrow?.producer;
  const source = split?.op === 'Unsqueeze' || split?.op === 'Reshape' ? split.input(0) : undefined;
  if (wide === undefined || narrow === undefined || source === undefined) return undefined;
  const [from, one, five, out] = [source, narrow, wide, value].map((each) => dimsOf(each) ?? []);
  if (from?.length !== 4 || one?.length !== 5 || five?.length !== 5 || out?.length !== 4) return undefined;
  const [heads, groups] = [from[1], five[2]];
  if (typeof heads !== 'number' || typeof groups !== 'number' || one[2] !== 1) return undefined;
  const kept = (dims: readonly Dim[], axes: readonly number[]): boolean =>
    axes.every((axis, index) => sameDim(dims[axis] ?? null, from[index] ?? null) === true);
  return kept(one, [0, 1, 3, 4]) &&
    kept(five, [0, 1, 3, 4]) &&
    out[1] === heads * groups &&
    sameDim(out[3] ?? null, from[3] ?? null)
    ? { value: source, groups }
    : undefined;
}

/** Whether a node's output is its first input, once or several times along some axes. */
function isRepeat(node: Node): boolean {
  if (node.op === 'Concat') return node.inputs.every((input) => input === node.inputs[0]);
  return node.op === 'Expand' || node.op === 'Tile';
}
