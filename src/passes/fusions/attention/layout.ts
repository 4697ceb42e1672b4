/**
 * Transposes and reshapes as few as possible: what is asked for is composed with the nodes that the value comes
 * from, so that a layout which is made and undone leaves no node behind.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import type { Dim } from '../../../graph/types.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import type { Rewriter } from '../../../rewrite/rewriter.ts';

/** [N, h, S, d] to and from [N, S, h, d]. */
export const swapHeads = [0, 2, 1, 3] as const;

/**
 * One dimension of a shape that is asked for: a number, that of an axis (of the value itself, or of another one), or
 * what is left. At most one is left over.
 */
export type Extent = number | 'rest' | { readonly axis: number; readonly of?: Value };

/** The axes as a Transpose reads them; without an attribute it turns them round. */
export function permOf(node: Node): readonly number[] | undefined {
  const perm = node.ints('perm');
  if (perm !== undefined) return perm;
  const rank = node.input(0) === undefined ? undefined : dimsOf(node.input(0) as Value)?.length;
  return rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
}

/** The order that leaves leading axes where they are and swaps the last two. */
export function matrixSwap(rank: number): readonly number[] {
  return Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
}

export function sameOrder(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, index) => axis === b[index]);
}

/** What a value is once its axes are put in another order: the input of its own Transpose, at best. */
export function transposed(rewriter: Rewriter, value: Value, perm: readonly number[]): Value {
  const before = value.producer?.op === 'Transpose' ? permOf(value.producer) : undefined;
  const source = before === undefined ? undefined : value.producer?.input(0);
  if (before !== undefined && source !== undefined) {
    return transposed(
      rewriter,
      source,
      perm.map((axis) => before[axis] ?? axis),
    );
  }
  if (perm.every((axis, index) => axis === index)) return value;
  return rewriter.op('Transpose', [value], { attributes: { perm } });
}

/** Whether putting the axes in this order takes no node. */
export function isFree(value: Value, perm: readonly number[]): boolean {
  const before = value.producer?.op === 'Transpose' ? permOf(value.producer) : undefined;
  return before !== undefined && perm.every((axis, index) => before[axis] === index);
}

export function reshaped(rewriter: Rewriter, value: Value, extents: readonly Extent[]): Value {
  const own = dimsOf(value) ?? [];
  const asked = extents.map((extent) => resolve(extent, own));
  if (isShape(own, asked)) return value;
  const source = value.producer?.op === 'Reshape' ? value.producer.input(0) : undefined;
  const before = source === undefined ? undefined : dimsOf(source);
  if (source !== undefined && before !== undefined) {
    if (isShape(before, asked)) return source;
    const direct = request(before, asked);
    if (direct !== undefined) return rewriter.op('Reshape', [source, rewriter.int64(direct)]);
  }
  const request0 = requestOf(own, extents, asked);
  const shape = request0 === undefined ? computed(rewriter, value, extents) : rewriter.int64(request0);
  return rewriter.op('Reshape', [value, shape]);
}

/** Broadcasts a value to the extents; 1 leaves a dimension as it is. */
export function expanded(rewriter: Rewriter, value: Value, extents: readonly Extent[]): Value {
  const own = dimsOf(value) ?? [];
  const asked = extents.map((extent) => resolve(extent, own));
  const constant = asked.every((dim) => typeof dim === 'number');
  const shape = constant ? rewriter.int64(asked as number[]) : computed(rewriter, value, extents);
  return rewriter.op('Expand', [value, shape]);
}

/** The dimension that an extent stands for, as far as types know it. */
function resolve(extent: Extent, own: readonly Dim[]): Dim {
  if (typeof extent === 'number') return extent;
  if (extent === 'rest') return null;
  return (extent.of === undefined ? own : (dimsOf(extent.of) ?? []))[extent.axis] ?? null;
}

function isShape(own: readonly Dim[], asked: readonly Dim[]): boolean {
  return own.length === asked.length && own.every((dim, axis) => sameDim(dim, asked[axis] ?? null) === true);
}

/** The input of a Reshape from known dimensions to others: 0 keeps one in its place, -1 is the only other. */
function request(from: readonly Dim[], to: readonly Dim[]): readonly number[] | undefined {
  const list = to.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    return axis < from.length && sameDim(from[axis] ?? null, dim) === true ? 0 : -1;
  });
  return list.filter((dim) => dim === -1).length > 1 ? undefined : list;
}

/** As `request`, where an extent names an axis of the value itself, whatever is known of it. */
function requestOf(
  own: readonly Dim[],
  extents: readonly Extent[],
  asked: readonly Dim[],
): readonly number[] | undefined {
  const list = extents.map((extent, axis) => {
    const dim = asked[axis] ?? null;
    if (typeof dim === 'number') return dim;
    const kept = typeof extent === 'object' && extent.of === undefined && extent.axis === axis;
    return kept || (axis < own.length && sameDim(own[axis] ?? null, dim) === true) ? 0 : -1;
  });
  return list.filter((dim) => dim === -1).length > 1 ? undefined : list;
}

/** The shape as a computation on shapes. */
function computed(rewriter: Rewriter, value: Value, extents: readonly Extent[]): Value {
  const own = dimsOf(value) ?? [];
  const parts = extents.map((extent) => {
    const dim = resolve(extent, own);
    if (typeof dim === 'number') return rewriter.int64([dim]);
    if (typeof extent !== 'object') return rewriter.int64([-1]);
    return extentOf(rewriter, extent.of ?? value, extent.axis);
  });
  return rewriter.op('Concat', parts, { attributes: { axis: 0 } });
}

/** One dimension of a value as a tensor of one element. */
export function extentOf(rewriter: Rewriter, value: Value, axis: number): Value {
  return rewriter.op('Shape', [value], { attributes: { start: axis, end: axis + 1 } });
}
