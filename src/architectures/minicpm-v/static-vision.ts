/**
 * The vision graph for pictures of one size, whose slices are known:
 *
 *   pixel_values f32 [views, 3, patch, patch · L] → image_features f32 [views, queries, hidden]
 *
 * Views of a picture come together, the source first; there may be several pictures. Every grid is a constant, nothing is
 * masked. Views of one size form a group. Where views are computed at their own length the patches of a picture stand
 * in one row, [N, all patches, …], without filling, so that weights are read once; attention stays inside a view.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { permuteRows } from '../../tensor/derived/rows.ts';
import { type Attend, attention } from '../blocks/attention.ts';
import { projectPooled, readResampler, resampler } from '../blocks/resampler.ts';
import { gridSincos } from '../blocks/sincos-positions.ts';
import { initializer, type Weight, type WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import { type MiniCpmConfig, resamplerEpsilon } from './config.ts';
import { positionIds } from './position-ids.ts';
import type { ViewGroup } from './slicing.ts';
import { embedPatches, encode, positionTable } from './tower.ts';

interface Group extends ViewGroup {
  /** Index of the first view. */
  readonly first: number;
  /** Patches of a view. */
  readonly length: number;
}

export function staticVision(
  root: WeightReader,
  { vision, text, queries, padded }: MiniCpmConfig,
  viewGroups: readonly ViewGroup[],
): Model {
  const b = new GraphBuilder('vision_encoder', inferNode);
  const groups = measure(viewGroups);
  const most = Math.max(...groups.map(({ length }) => length));
  const { patch, width, side } = vision;
  const pixels = b.input('pixel_values', tensorType('float32', ['views', 3, patch, patch * most]));

  const tower = root.at('vpm');
  const table = positionTable(tower, vision);
  const positions = (count: number): Value => initializer(b, placedRows(table, positionIds(count, side)));
  const within: Attend = (g, inputs) => attendWithin(g, inputs, groups);
  const patches = b.scope('embed', () => embedPatches(b, pixels, tower, vision));
  const encoded = padded
    ? pack(b, encode(b, b.op('Add', [patches, positions(most)]), tower, vision), groups, most, width)
    : encode(
        b,
        pack(b, patches, groups, most, width, ({ length }) => positions(length)),
        tower,
        vision,
        within,
      );

  const features = b.scope('pool', () => {
    const shape = { width, size: text.hidden, queries };
    const reader = root.at('resampler');
    const pooled = resampler(b, encoded, readResampler(reader, shape, resamplerEpsilon), shape, {
      keys: () => keyPositions(b, groups, text.hidden),
      attend: (g, inputs) => attendFromQueries(g, inputs, groups, queries),
    });
    const projected = projectPooled(b, pooled, reader, text.hidden, resamplerEpsilon);
    return b.op('Reshape', [projected, b.int64([-1, queries, text.hidden])]);
  });
  b.output('image_features', features);
  b.graph.setType(features, tensorType('float32', ['views', queries, text.hidden]));
  return createModel(b.graph, referenceOpset);
}

function measure(groups: readonly ViewGroup[]): readonly Group[] {
  let first = 0;
  return groups.map((group) => {
    const { rows, columns } = group.grid;
    const measured = { ...group, first, length: rows * columns };
    first += group.views;
    return measured;
  });
}

/** The rows of a table that ids name. */
function placedRows({ name, tensor }: Weight, ids: readonly number[]): Weight {
  return {
    name: `${name}.${ids.length}`,
    tensor: permuteRows(
      tensor,
      ids.map((id) => [id, 1]),
    ),
  };
}

/**
 * [N · V, most, width] → [N, all patches, width], each view cut to its own length; `added` is added to each view of a
 * group.
 */
function pack(
  b: GraphBuilder,
  x: Value,
  groups: readonly Group[],
  most: number,
  width: number,
  added?: (group: Group) => Value,
): Value {
  const views = groups.reduce((sum, group) => sum + group.views, 0);
  const perPicture = b.op('Reshape', [x, b.int64([-1, views, most, width])]);
  const parts = groups.map((group) => {
    const { first, views: count, length } = group;
    const ends = b.int64([first + count, length]);
    const own = b.op('Slice', [perPicture, b.int64([first, 0]), ends, b.int64([1, 2])]);
    const placed = added === undefined ? own : b.op('Add', [own, added(group)]);
    return b.op('Reshape', [placed, b.int64([-1, count * length, width])]);
  });
  return join(b, parts);
}

function join(b: GraphBuilder, parts: readonly Value[], axis = 1): Value {
  const [only, ...others] = parts;
  if (only === undefined) throw new RangeError('no group of views');
  return others.length === 0 ? only : b.op('Concat', parts, { attributes: { axis } });
}

/** [N, all patches, size] → per group [N · views, length, size] */
function split(b: GraphBuilder, x: Value, groups: readonly Group[], size: number): readonly Value[] {
  const sizes = groups.map(({ views, length }) => views * length);
  const parts =
    groups.length === 1
      ? [x]
      : b.ops('Split', [x, b.int64(sizes)], groups.length, { attributes: { axis: 1 } });
  return parts.map((part, index) => b.op('Reshape', [part, b.int64([-1, groups[index]?.length ?? 0, size])]));
}

/** Attention of the patches of each view among themselves. */
function attendWithin(b: GraphBuilder, inputs: Parameters<Attend>[1], groups: readonly Group[]): Value {
  const { heads, headDim } = inputs;
  const size = heads * headDim;
  const [q, k, v] = [inputs.q, inputs.k, inputs.v].map((x) => split(b, x, groups, size));
  const mixed = groups.map(({ views, length }, index) => {
    const own = attention(b, { q: at(q, index), k: at(k, index), v: at(v, index), heads, headDim });
    return b.op('Reshape', [own, b.int64([-1, views * length, size])]);
  });
  return join(b, mixed);
}

/** Attention of the queries [N, queries, size], the same for every view, to the patches of each → [N, V · queries, size] */
function attendFromQueries(
  b: GraphBuilder,
  inputs: Parameters<Attend>[1],
  groups: readonly Group[],
  queries: number,
): Value {
  const { heads, headDim } = inputs;
  const size = heads * headDim;
  const [k, v] = [inputs.k, inputs.v].map((x) => split(b, x, groups, size));
  const mixed = groups.map(({ views }, index) => {
    const repeated =
      views === 1
        ? inputs.q
        : b.op('Reshape', [
            b.op('Expand', [b.op('Unsqueeze', [inputs.q, b.int64([1])]), b.int64([1, views, 1, 1])]),
            b.int64([-1, queries, size]),
          ]);
    const own = attention(b, { q: repeated, k: at(k, index), v: at(v, index), heads, headDim });
    return b.op('Reshape', [own, b.int64([-1, views * queries, size])]);
  });
  return join(b, mixed);
}

function at(values: readonly Value[] | undefined, index: number): Value {
  const value = values?.[index];
  if (value === undefined) throw new RangeError(`no group ${index}`);
  return value;
}

/** [all patches, size]: the positions of each view's own grid. */
function keyPositions(b: GraphBuilder, groups: readonly Group[], size: number): Value {
  const parts = groups.map(({ views, grid, length }) => {
    const one = gridSincos(b, grid, size);
    if (views === 1) return one;
    const all = b.op('Expand', [one, b.int64([views, length, size])]);
    return b.op('Reshape', [all, b.int64([views * length, size])]);
  });
  return join(b, parts, 0);
}
