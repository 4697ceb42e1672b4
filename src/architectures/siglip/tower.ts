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
import { reshape } from '../../tensor/derived/reshape.ts';
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
  /** Left out: those of transformers. */
  readonly names?: SiglipNames;
}

/** What a library calls the modules of the tower; those of a layer stand in the config. */
export interface SiglipNames {
  readonly patches: string;
  readonly positions: string;
  /** Whether the table of positions has a leading axis of one. */
  readonly batchedPositions: boolean;
  readonly layers: string;
}

export const siglipNames: SiglipNames = {
  patches: 'embeddings.patch_embedding',
  positions: 'embeddings.position_embedding.weight',
  batchedPositions: false,
  layers: 'encoder.layers',
};

export function siglipTower(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { config, grid, state, names = siglipNames }: SiglipTowerShape,
): Value {
  let x = b.scope('embed', () => embed(b, pixels, weights, names, config, grid));
  for (let layer = 0; layer < state; layer += 1) {
    const block = weights.at(`${names.layers}.${layer}`);
    x = b.scope(`block.${layer}`, () => encoderLayer(b, x, block, config));
  }
  return x;
}

function embed(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  names: SiglipNames,
  { width, patch, imageSize }: SiglipVisionConfig,
  grid: Grid,
): Value {
  const side = Math.floor(imageSize / patch);
  const module = weights.at(names.patches);
  const conv = {
    weight: module.take('weight', [width, 3, patch, patch]),
    bias: module.take('bias', [width]),
  };
  const shape = [...(names.batchedPositions ? [1] : []), side * side, width];
  const { name, tensor } = weights.take(names.positions, shape);
  const table = { name, tensor: reshape(tensor, [side * side, width]) };
  const positions = resizePositions(b, table, width, { rows: side, columns: side }, grid);
  return b.op('Add', [patchEmbedding(b, pixels, conv, { width, patch, grid }), positions]);
}
