/**
 * SigLIP's vision tower: a pre-norm vision transformer over the patches of one view, without a class token.
 *
 *   pixels f32 [N, 3, rows · patch, columns · patch] → hidden states f32 [N, rows · columns, width]
 *
 * Hidden state 0 is what the first block reads, state k what block k gives. The final norm and the pooling head belong to
 * none of them. On another grid than the stored one the positions are resized. Source of the math: modeling_siglip.py of
 * transformers.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { encoderLayer } from '../blocks/encoder-layer.ts';
import { patchEmbedding } from '../blocks/patch-embedding.ts';
import { type Grid, resizePositions } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { SiglipVisionConfig } from './config.ts';

export interface SiglipTowerShape {
  readonly config: SiglipVisionConfig;
  readonly grid: Grid;
  /** Which hidden state, from 0 to `config.layers`. Later blocks are not built. */
  readonly state: number;
}

export function siglipTower(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { config, grid, state }: SiglipTowerShape,
): Value {
  let x = b.scope('embed', () => embed(b, pixels, weights.at('embeddings'), config, grid));
  for (let layer = 0; layer < state; layer += 1) {
    const block = weights.at(`encoder.layers.${layer}`);
    x = b.scope(`block.${layer}`, () => encoderLayer(b, x, block, config));
  }
  return x;
}

function embed(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { width, patch, imageSize }: SiglipVisionConfig,
  grid: Grid,
): Value {
  const side = Math.floor(imageSize / patch);
  const conv = {
    weight: weights.take('patch_embedding.weight', [width, 3, patch, patch]),
    bias: weights.take('patch_embedding.bias', [width]),
  };
  const table = weights.take('position_embedding.weight', [side * side, width]);
  const positions = resizePositions(b, table, width, { rows: side, columns: side }, grid);
  return b.op('Add', [patchEmbedding(b, pixels, conv, { width, patch, grid }), positions]);
}
