/**
 * The patches of all views of a picture in one row, [N, all patches, size], without filling between them: what runs patch
 * by patch runs on all at once and reads its weights once; what stays inside a view runs group by group. Views of one grid
 * form a group and stand next to each other.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { type AttentionInputs, attention } from '../blocks/attention.ts';
import { gridSincos } from '../blocks/sincos-positions.ts';
import type { ViewGroup } from './slicing.ts';

export interface PackedGroup extends ViewGroup {
  /** Index of the first view. */
  readonly first: number;
  /** Patches of a view. */
  readonly length: number;
}

export function packedGroups(groups: readonly ViewGroup[]): readonly PackedGroup[] {
  let first = 0;
  return groups.map((group) => {
    const { rows, columns } = group.grid;
    const packed = { ...group, first, length: rows * columns };
    first += group.views;
    return packed;
  });
}

/** Views padded to the longest, [N · V, longest, size] → [N, all patches, size]; `place` sees [N, views, length, size]. */
export function packViews(
  b: GraphBuilder,
  x: Value,
  groups: readonly PackedGroup[],
  size: number,
  place: (x: Value, group: PackedGroup) => Value = (own) => own,
): Value {
  const views = groups.reduce((sum, group) => sum + group.views, 0);
  const longest = Math.max(...groups.map(({ length }) => length));
  const perPicture = b.op('Reshape', [x, b.int64([-1, views, longest, size])]);
  const parts = groups.map((group) => {
    const { first, views: count, length } = group;
    const ends = b.int64([first + count, length]);
    const own = b.op('Slice', [perPicture, b.int64([first, 0]), ends, b.int64([1, 2])]);
    return b.op('Reshape', [place(own, group), b.int64([-1, count * length, size])]);
  });
  return join(b, parts);
}

/** x with the sines and cosines of each view's own grid. */
export function placePatches(b: GraphBuilder, x: Value, groups: readonly PackedGroup[], size: number): Value {
  const rows = ({ length }: PackedGroup): number => length;
  return eachGroup(b, [x], groups, { size, rows }, ([own], { grid }) =>
    b.op('Add', [own ?? x, gridSincos(b, grid, size)]),
  );
}

/** Attention of the patches of each view among themselves: all [N, all patches, size]. */
export function attendWithin(
  b: GraphBuilder,
  { q, k, v, heads, headDim }: AttentionInputs,
  groups: readonly PackedGroup[],
): Value {
  const size = heads * headDim;
  const rows = ({ length }: PackedGroup): number => length;
  return eachGroup(b, [q, k, v], groups, { size, rows }, ([ownQ = q, ownK = k, ownV = v]) =>
    attention(b, { q: ownQ, k: ownK, v: ownV, heads, headDim }),
  );
}

/** Attention of q [N, queries, size], the same for every view, to the patches of each → [N, V · queries, size]. */
export function attendFromQueries(
  b: GraphBuilder,
  { q, k, v, heads, headDim }: AttentionInputs,
  groups: readonly PackedGroup[],
  queries: number,
): Value {
  const size = heads * headDim;
  const asked = (views: number): Value => {
    if (views === 1) return q;
    const repeated = b.op('Expand', [b.op('Unsqueeze', [q, b.int64([1])]), b.int64([1, views, 1, 1])]);
    return b.op('Reshape', [repeated, b.int64([-1, queries, size])]);
  };
  return eachGroup(b, [k, v], groups, { size, rows: () => queries }, ([ownK = k, ownV = v], { views }) =>
    attention(b, { q: asked(views), k: ownK, v: ownV, heads, headDim }),
  );
}

/**
 * Runs `body` on the views of each group: every input [N, all patches, size] comes as [N · views, length, size], and what
 * is made of it, [N · views, rows, size], stands behind that of the group before: [N, all rows, size].
 */
function eachGroup(
  b: GraphBuilder,
  inputs: readonly Value[],
  groups: readonly PackedGroup[],
  { size, rows }: { readonly size: number; readonly rows: (group: PackedGroup) => number },
  body: (own: readonly Value[], group: PackedGroup) => Value,
): Value {
  const lengths = b.int64(groups.map(({ views, length }) => views * length));
  const cut = inputs.map((input) =>
    groups.length === 1
      ? [input]
      : b.ops('Split', [input, lengths], groups.length, { attributes: { axis: 1 } }),
  );
  const made = groups.map((group, index) => {
    const own = cut.flatMap((parts) => parts.slice(index, index + 1));
    const views = own.map((part) => b.op('Reshape', [part, b.int64([-1, group.length, size])]));
    return b.op('Reshape', [body(views, group), b.int64([-1, group.views * rows(group), size])]);
  });
  return join(b, made);
}

function join(b: GraphBuilder, parts: readonly Value[]): Value {
  const [only, ...others] = parts;
  if (only === undefined) throw new RangeError('no group of views');
  return others.length === 0 ? only : b.op('Concat', parts, { attributes: { axis: 1 } });
}
