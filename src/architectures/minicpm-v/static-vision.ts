/**
 * The vision graph for pictures of one size, whose slices are known:
 *
 *   pixel_values f32 [views, 3, patch, patch · L] → image_features f32 [views, queries, hidden]
 *
 * The views of a picture come together, the source first; there may be several pictures. Every grid is a constant, and
 * nothing is masked: from where views are computed at their own length on, they are packed.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { permuteRows } from '../../tensor/derived/rows.ts';
import { projectPooled, readResampler, resampler } from '../blocks/resampler.ts';
import { initializer, type Weight, type WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import { type MiniCpmConfig, type MiniCpmVisionConfig, resamplerEpsilon } from './config.ts';
import {
  attendFromQueries,
  attendWithin,
  type PackedGroup,
  packedGroups,
  packViews,
  placePatches,
} from './packed-views.ts';
import { positionIds } from './position-ids.ts';
import type { ViewGroup } from './slicing.ts';
import { embedPatches, encode, positionTable } from './tower.ts';

export function staticVision(
  root: WeightReader,
  { vision, text, queries, padded }: MiniCpmConfig,
  views: readonly ViewGroup[],
): Model {
  const b = new GraphBuilder('vision_encoder', inferNode);
  const groups = packedGroups(views);
  const longest = Math.max(...groups.map(({ length }) => length));
  const { patch, width } = vision;
  const pixels = b.input('pixel_values', tensorType('float32', ['views', 3, patch, patch * longest]));
  const run = padded ? encodePadded : encodePacked;
  const encoded = run(b, pixels, root.at('vpm'), vision, groups);

  const features = b.scope('pool', () => {
    const shape = { width, size: text.hidden, queries };
    const reader = root.at('resampler');
    const pooled = resampler(b, encoded, readResampler(reader, shape, resamplerEpsilon), shape, {
      placed: (x) => placePatches(b, x, groups, text.hidden),
      attend: (_, inputs) => attendFromQueries(b, inputs, groups, queries),
    });
    const projected = projectPooled(b, pooled, reader, text.hidden, resamplerEpsilon);
    return b.op('Reshape', [projected, b.int64([-1, queries, text.hidden])]);
  });
  b.output('image_features', features);
  b.graph.setType(features, tensorType('float32', ['views', queries, text.hidden]));
  return createModel(b.graph, referenceOpset);
}

type Encode = (
  b: GraphBuilder,
  pixels: Value,
  tower: WeightReader,
  config: MiniCpmVisionConfig,
  groups: readonly PackedGroup[],
) => Value;

/** The tower takes all views for as long as the longest: filling is seen, and has positions. */
const encodePadded: Encode = (b, pixels, tower, config, groups) => {
  const longest = Math.max(...groups.map(({ length }) => length));
  const placed = b.scope('embed', () => {
    const patches = embedPatches(b, pixels, tower, config);
    return b.op('Add', [patches, positions(b, positionTable(tower, config), longest)]);
  });
  const encoded = encode(b, placed, tower, config);
  return b.scope('pack', () => packViews(b, encoded, groups, config.width));
};

/** Each view at its own length. */
const encodePacked: Encode = (b, pixels, tower, config, groups) => {
  const patches = b.scope('embed', () => embedPatches(b, pixels, tower, config));
  const table = positionTable(tower, config);
  const packed = b.scope('pack', () =>
    packViews(b, patches, groups, config.width, (own, { length }) =>
      b.op('Add', [own, positions(b, table, length)]),
    ),
  );
  return encode(b, packed, tower, config, (_, inputs) => attendWithin(b, inputs, groups));
};

/** [count, width]: the rows of the table that a view of so many patches takes. */
function positions(b: GraphBuilder, { name, tensor }: Weight, count: number): Value {
  const side = tensor.shape[0] ?? 0;
  const rows = positionIds(count, side).map((id) => [id, 1] as const);
  return initializer(b, { name: `${name}.${count}`, tensor: permuteRows(tensor, rows) });
}
