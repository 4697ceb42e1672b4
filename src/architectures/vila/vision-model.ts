/**
 * The vision graphs of VILA: tower and projector over views of one size, or over the tiles of a picture.
 *
 *   pixel_values f32 [N, 3, H, W] → image_features f32 [N, tokens, hidden]
 *   pixel_values f32 [N · tiles, 3, side, side] → [N, tokens, hidden], of tiles that the graph is compiled for
 *   pixel_values f32 [tiles, 3, side, side], tile_grids i64 [scales, 2] → [1, tokens, hidden]
 */
import { GraphBuilder } from '../../graph/builder.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import { createModel, type Model } from '../../graph/model.ts';
import { tensorType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { fitPicture } from '../blocks/image-views.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { referenceOpset, visionModel } from '../components.ts';
import type { TileFeed } from '../recipe.ts';
import type { MapShape } from './area-resize.ts';
import type { VilaConfig } from './config.ts';
import type { OneView, Tiled } from './geometry.ts';
import { project, tokenGrid } from './projector.ts';
import { pyramidFeatures, pyramidGrid } from './pyramid.ts';
import { scaledFeatures } from './scales.ts';
import { tileCount } from './tiles.ts';
import { towerFeatures } from './vision.ts';

export interface VisionWeights {
  readonly tower: WeightReader;
  readonly projector: WeightReader;
}

export function vilaVisionModel(
  weights: VisionWeights,
  config: VilaConfig,
  pictures: OneView | Tiled,
): Model {
  if (pictures.kind === 'view') return oneViewModel(weights, config, pictures);
  return pictures.feed.joined ? joinedModel(weights, config, pictures) : eachModel(weights, config, pictures);
}

function oneViewModel(
  weights: VisionWeights,
  config: VilaConfig,
  { geometry, covered, patches }: OneView,
): Model {
  return visionModel(geometry, config.text.hidden, (b, pixels) => {
    const seen = fitPicture(b, pixels, geometry.input, covered);
    return viewFeatures(b, seen, weights, config, patches);
  });
}

/** Tiles that are views of their own. */
function eachModel(weights: VisionWeights, config: VilaConfig, { feed, patches }: Tiled): Model {
  const input = { width: feed.side, height: feed.side };
  return visionModel({ input, tokens: feed.tokens ** 2 }, config.text.hidden, (b, pixels) =>
    viewFeatures(b, pixels, weights, config, patches),
  );
}

/** [N, 3, H, W] → [N, tokens, hidden] */
function viewFeatures(
  b: GraphBuilder,
  pixels: Value,
  { tower, projector }: VisionWeights,
  { vision, projector: spec, scales, pyramid }: VilaConfig,
  patches: OneView['patches'],
): Value {
  if (pyramid !== undefined) {
    const run = (tiles: Value): Value => towerFeatures(b, tiles, tower, vision, patches);
    const x = pyramidFeatures(b, pixels, pyramid, { patches, width: vision.width }, run);
    const shape = { grid: pyramidGrid(pyramid, patches), width: vision.width * pyramid.sizes.length };
    return b.scope('projector', () => project(b, x, projector, spec, shape));
  }
  const x = towerFeatures(b, pixels, tower, vision, patches);
  return b.scope('projector', () => {
    // Where scales are joined, one view stands for all of them.
    const count = scales?.sides.length ?? 1;
    const copies = Array.from({ length: count }, () => x);
    const joined = count === 1 ? x : b.op('Concat', copies, { attributes: { axis: -1 } });
    return project(b, joined, projector, spec, { grid: patches, width: vision.width * count });
  });
}

function joinedModel(
  { tower, projector }: VisionWeights,
  { vision, projector: spec, text }: VilaConfig,
  { feed, patches }: Tiled,
): Model {
  const b = new GraphBuilder('vision_encoder', inferNode);
  const { side, known } = feed;
  const scales = feed.squares.length + 1;
  const tiles = known === undefined || tileCount(known) === 1 ? 'tiles' : 'batch_tiles';
  const pixels = b.input('pixel_values', tensorType('float32', [tiles, 3, side, side]));
  const grids = known ?? b.scope('scales', () => gridsOf(b, feed, scales));
  const x = towerFeatures(b, pixels, tower, vision, patches);
  const shape = {
    grids,
    output: feed.output,
    patches,
    tokens: tokenGrid(patches, spec),
    width: vision.width,
    hidden: text.hidden,
  };
  const features = b.scope('scales', () =>
    scaledFeatures(b, x, shape, (joined) =>
      b.scope('projector', () =>
        project(b, joined, projector, spec, { grid: patches, width: vision.width * scales }),
      ),
    ),
  );
  b.output('image_features', features);
  const [batch, tokens] = known === undefined ? [1, 'image_tokens'] : ['batch_size', tokensOf(known, feed)];
  b.graph.setType(features, tensorType('float32', [batch ?? 1, tokens ?? 1, text.hidden]));
  return createModel(b.graph, referenceOpset);
}

function tokensOf(grids: NonNullable<TileFeed['known']>, { output, tokens }: TileFeed): number {
  const shown = grids[output];
  return (shown?.rows ?? 0) * (shown?.columns ?? 0) * tokens * tokens;
}

/** Rows and columns of each scale, int64 [1], of the input that holds them. */
function gridsOf(b: GraphBuilder, { grids: name }: TileFeed, scales: number): readonly MapShape[] {
  if (name === undefined) throw new RangeError('tiles without their number');
  const input = b.input(name, tensorType('int64', [scales, 2]));
  return Array.from({ length: scales }, (_, scale): MapShape => {
    const at = (column: number): Value => {
      const ends = [b.int64([scale, column]), b.int64([scale + 1, column + 1])];
      return b.op('Reshape', [b.op('Slice', [input, ...ends, b.int64([0, 1])]), b.int64([1])]);
    };
    return { rows: at(0), columns: at(1) };
  });
}
