/**
 * CLIP's vision tower: a pre-norm vision transformer over a class token and the patches of one view.
 *
 *   pixels f32 [N, 3, rows · patch, columns · patch] → hidden states f32 [N, 1 + rows · columns, width]
 *
 * Hidden state 0 is what the first block reads, state k what block k gives. The final norm belongs to none of
 * them. On another grid than the stored one the positions of the patches are resized, that of the class token
 * stays. Source of the math: modeling_clip.py of transformers.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import { prependToken } from '../blocks/class-token.ts';
import { encoderLayer } from '../blocks/encoder-layer.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { patchEmbedding } from '../blocks/patch-embedding.ts';
import { type Grid, resizePositions } from '../blocks/resize.ts';
import { initializer, type Weight, type WeightReader } from '../blocks/weights.ts';
import type { ClipVisionConfig } from './config.ts';

export interface ClipTowerShape {
  readonly config: ClipVisionConfig;
  readonly grid: Grid;
  /** Which hidden states, in the order wanted: each from 0 to `config.layers`. Later blocks are not built. */
  readonly states: readonly number[];
}

export function clipTower(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { config, grid, states }: ClipTowerShape,
): Value[] {
  const first = b.scope('embed', () => {
    const embedded = embed(b, pixels, weights.at('embeddings'), config, grid);
    // Misspelt so in every checkpoint.
    return layerNorm(b, embedded, readLayerNorm(weights.at('pre_layrnorm'), config.width, config.epsilon));
  });
  const hidden = [first];
  let x = first;
  for (let layer = 0; layer < Math.max(...states); layer += 1) {
    const block = weights.at(`encoder.layers.${layer}`);
    x = b.scope(`block.${layer}`, () => encoderLayer(b, x, block, config));
    hidden.push(x);
  }
  return states.map((state) => {
    const value = hidden[state];
    if (value === undefined) throw new RangeError(`no hidden state ${state} of ${config.layers} blocks`);
    return value;
  });
}

function embed(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { width, patch, imageSize }: ClipVisionConfig,
  grid: Grid,
): Value {
  const side = Math.floor(imageSize / patch);
  const conv = { weight: weights.take('patch_embedding.weight', [width, 3, patch, patch]) };
  const { name, tensor } = weights.take('position_embedding.weight', [side * side + 1, width]);
  const part = (suffix: string, begin: number, end: number): Weight => ({
    name: `${name}.${suffix}`,
    tensor: sliceRows(tensor, begin, end),
  });
  const stored = { rows: side, columns: side };
  const positions = resizePositions(b, part('patches', 1, side * side + 1), width, stored, grid);
  const patches = b.op('Add', [patchEmbedding(b, pixels, conv, { width, patch, grid }), positions]);
  const classToken = initializer(b, weights.take('class_embedding', [width]));
  const placed = b.op('Add', [classToken, initializer(b, part('class', 0, 1))]);
  return prependToken(b, patches, placed, width);
}
