/**
 * The vision graph for views of any sizes, so many at once as there are:
 *
 *   pixel_values f32 [views, 3, patch, patch · L], tgt_sizes i64 [views, 2] (rows and columns of each view's patches)
 *   → image_features f32 [views, queries, hidden]
 *
 * L is the most patches of a view; what a view does not fill is 0. As released (`padded`) the tower takes all L for
 * patches, and only the resampler leaves the filling out: features of a view depend on the largest one beside it.
 * Otherwise each view is computed as if it were alone.
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { type Attend, attention } from '../blocks/attention.ts';
import { float32Min } from '../blocks/decoder-slots.ts';
import { projectPooled, readResampler, resampler } from '../blocks/resampler.ts';
import { sincosOf } from '../blocks/sincos-positions.ts';
import { initializer, type WeightReader } from '../blocks/weights.ts';
import { referenceOpset } from '../components.ts';
import { type MiniCpmConfig, resamplerEpsilon } from './config.ts';
import { positionIdsOf } from './position-ids.ts';
import { embedPatches, encode, positionTable } from './tower.ts';

/** Rows and columns of each view's patches. */
export const sizesInput = 'tgt_sizes';

export function dynamicVision(root: WeightReader, { vision, text, queries, padded }: MiniCpmConfig): Model {
  const b = new GraphBuilder('vision_encoder', inferNode);
  const { patch } = vision;
  const pixels = b.input('pixel_values', tensorType('float32', ['views', 3, patch, 'pixel_columns']));
  const sizes = b.input(sizesInput, tensorType('int64', ['views', 2]));

  const tower = root.at('vpm');
  const patches = b.scope('embed', () => embedPatches(b, pixels, tower, vision));
  const views = b.scope('views', () => viewsOf(b, patches, sizes));
  const placed = b.scope('embed', () => {
    const ids = positionIdsOf(b, views.slots, padded ? views.length : views.counts, vision.side);
    const table = initializer(b, positionTable(tower, vision));
    // Not Gather, by which passes know an embedding and store it in few bits.
    return b.op('Add', [patches, b.op('GatherND', [table, b.op('Unsqueeze', [ids, b.int64([-1])])])]);
  });
  const alone = padded ? undefined : b.scope('views', () => masked(maskFor(b, views, eachOf(b, views))));
  const encoded = encode(b, placed, tower, vision, alone);

  const features = b.scope('pool', () => {
    const shape = { width: vision.width, size: text.hidden, queries };
    const reader = root.at('resampler');
    const pooled = resampler(b, encoded, readResampler(reader, shape, resamplerEpsilon), shape, {
      placed: (x) => b.op('Add', [x, sincosOf(b, views.column, views.row, text.hidden)]),
      attend: masked(maskFor(b, views, b.int64([1, 1, queries, 1]))),
    });
    return projectPooled(b, pooled, reader, text.hidden, resamplerEpsilon);
  });
  b.output('image_features', features);
  b.graph.setType(features, tensorType('float32', ['views', queries, text.hidden]));
  return createModel(b.graph, referenceOpset);
}

const masked =
  (mask: Value): Attend =>
  (b, inputs) =>
    attention(b, { ...inputs, mask });

interface Views {
  /** int64 [L]: 0 … L - 1 */
  readonly slots: Value;
  /** int64 [1, 1]: L */
  readonly length: Value;
  /** int64 [V, 1]: patches of each view */
  readonly counts: Value;
  /** int64 [V, L]: where each patch lies in its view */
  readonly row: Value;
  readonly column: Value;
}

function viewsOf(b: GraphBuilder, patches: Value, sizes: Value): Views {
  const [rows, columns] = b.ops('Split', [sizes, b.int64([1, 1])], 2, { attributes: { axis: 1 } });
  if (rows === undefined || columns === undefined) throw new RangeError('Split made no two outputs');
  const length = b.op('Shape', [patches], { attributes: { start: 1, end: 2 } });
  const end = b.op('Squeeze', [length, b.int64([0])]);
  const slots = b.op('Range', [b.int64([0], []), end, b.int64([1], [])]);
  // Integers are divided by what the caller says: by 0 a runtime would die of it.
  const width = b.op('Max', [columns, b.int64([1], [])]);
  return {
    slots,
    length: b.op('Unsqueeze', [length, b.int64([0])]),
    counts: b.op('Mul', [rows, columns]),
    row: b.op('Div', [slots, width]),
    column: b.op('Mod', [slots, width]),
  };
}

/** f32 [V, 1, S, L]: 0 on a view's own patches; `shape` int64 [4]: [1, 1, S, 1], for each of S that ask. */
function maskFor(b: GraphBuilder, { slots, counts }: Views, shape: Value): Value {
  const own = b.op('Less', [slots, counts]);
  const bias = b.op('Where', [own, b.scalar(0), b.scalar(float32Min)]);
  return b.op('Expand', [b.op('Unsqueeze', [bias, b.int64([1, 2])]), shape]);
}

/** int64 [4]: [1, 1, L, 1] */
function eachOf(b: GraphBuilder, { length }: Views): Value {
  const one = b.int64([1]);
  return b.op('Concat', [one, one, b.op('Reshape', [length, one]), one], { attributes: { axis: 0 } });
}
