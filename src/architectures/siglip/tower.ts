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
import { encoderLayers } from '../blocks/encoder-layer.ts';
import { type PatchTokenNames, patchTokens } from '../blocks/patch-tokens.ts';
import type { Grid } from '../blocks/resize.ts';
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
export interface SiglipNames extends PatchTokenNames {
  readonly layers: string;
}

export const siglipNames: SiglipNames = {
  patches: 'embeddings.patch_embedding',
  bias: true,
  positions: 'embeddings.position_embedding.weight',
  batched: false,
  layers: 'encoder.layers',
};

export function siglipTower(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { config, grid, state, names = siglipNames }: SiglipTowerShape,
): Value {
  const { width, patch, imageSize } = config;
  const side = Math.floor(imageSize / patch);
  const stored = { rows: side, columns: side };
  const first = b.scope('embed', () =>
    patchTokens(b, pixels, weights, names, { width, patch, stored, grid }),
  );
  return encoderLayers(b, first, weights.at(names.layers), state, config).at(-1) ?? first;
}
