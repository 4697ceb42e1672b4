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
import { encoderLayers } from '../blocks/encoder-layer.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { type PatchTokenNames, patchTokens } from '../blocks/patch-tokens.ts';
import type { Grid } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { ClipVisionConfig } from './config.ts';

export interface ClipTowerShape {
  readonly config: ClipVisionConfig;
  readonly grid: Grid;
  /** Which hidden states, in the order wanted: each from 0 to `config.layers`. Later blocks are not built. */
  readonly states: readonly number[];
}

const names: PatchTokenNames = {
  patches: 'patch_embedding',
  bias: false,
  positions: 'position_embedding.weight',
  classToken: 'class_embedding',
  batched: false,
};

export function clipTower(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { config, grid, states }: ClipTowerShape,
): Value[] {
  const { width, patch, imageSize, epsilon, layers } = config;
  const side = Math.floor(imageSize / patch);
  const stored = { rows: side, columns: side };
  const first = b.scope('embed', () => {
    const embedded = patchTokens(b, pixels, weights.at('embeddings'), names, { width, patch, stored, grid });
    // Misspelt so in every checkpoint.
    return layerNorm(b, embedded, readLayerNorm(weights.at('pre_layrnorm'), width, epsilon));
  });
  const count = Math.max(...states);
  const hidden = encoderLayers(b, first, weights.at('encoder.layers'), count, config);
  return states.map((state) => {
    const value = hidden[state];
    if (value === undefined) throw new RangeError(`no hidden state ${state} of ${layers} blocks`);
    return value;
  });
}
