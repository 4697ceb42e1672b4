/**
 * SigLIP's tower as Janus has it: patches with a bias and positions, all layers, a last norm; no class token, no pooling.
 * Then the aligner. pixels f32 [N, 3, H, W] → features [N, rows · columns, hidden].
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { activate } from '../blocks/activation.ts';
import { encoderLayer } from '../blocks/encoder-layer.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { patchEmbedding } from '../blocks/patch-embedding.ts';
import { type Grid, resizePositions } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { AlignerConfig, JanusVisionConfig } from './config.ts';
import type { TowerNames } from './layout.ts';

export function visionTower(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  config: JanusVisionConfig,
  names: TowerNames,
  grid: Grid,
): Value {
  const { width, patch, imageSize, epsilon } = config;
  let x = b.scope('embed', () => {
    const module = weights.at(names.patches);
    const conv = {
      weight: module.take('weight', [width, 3, patch, patch]),
      bias: module.take('bias', [width]),
    };
    const side = Math.floor(imageSize / patch);
    const shape = [...(names.batchedPositions ? [1] : []), side * side, width];
    const { name, tensor } = weights.take(names.positions, shape);
    const table = { name, tensor: reshape(tensor, [side * side, width]) };
    const positions = resizePositions(b, table, width, { rows: side, columns: side }, grid);
    return b.op('Add', [patchEmbedding(b, pixels, conv, { width, patch, grid }), positions]);
  });
  for (let layer = 0; layer < config.layers; layer += 1) {
    const block = weights.at(`${names.layers}.${layer}`);
    x = b.scope(`block.${layer}`, () => encoderLayer(b, x, block, config));
  }
  return b.scope('norm', () => layerNorm(b, x, readLayerNorm(weights.at(names.norm), width, epsilon)));
}

/** x [..., inputs] → [..., width]: linears with an activation between each two. */
export function aligner(
  b: GraphBuilder,
  x: Value,
  weights: WeightReader,
  { inputs, width, depth, activation }: AlignerConfig,
  nameOf: (index: number) => string,
): Value {
  let y = x;
  for (let index = 0; index < depth; index += 1) {
    const layer = readLinear(weights.at(nameOf(index)), index === 0 ? inputs : width, width, { bias: true });
    y = linear(b, index === 0 ? y : activate(b, y, activation), layer);
  }
  return y;
}
