/**
 * The vision tower of MiniCPM-Llama3-V 2.5: SigLIP's as Idefics2 has it, over views whose patches lie side by side.
 *
 *   pixels f32 [V, 3, patch, patch · L] → patches f32 [V, L, width] → (+ positions) → layers → post_layernorm
 *
 * Source of the math: modeling_idefics2.py of transformers 4.40. The final norm runs also where the last layer is
 * dropped.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import type { Attend } from '../blocks/attention.ts';
import { encoderLayers } from '../blocks/encoder-layer.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { patchEmbedding } from '../blocks/patch-embedding.ts';
import type { Weight, WeightReader } from '../blocks/weights.ts';
import type { MiniCpmVisionConfig } from './config.ts';

/** Patches without positions; what is padded becomes the bias. */
export function embedPatches(
  b: GraphBuilder,
  pixels: Value,
  tower: WeightReader,
  { width, patch }: MiniCpmVisionConfig,
): Value {
  const embedding = tower.at('embeddings.patch_embedding');
  const conv = {
    weight: embedding.take('weight', [width, 3, patch, patch]),
    bias: embedding.take('bias', [width]),
  };
  return patchEmbedding(b, pixels, conv, { width, patch });
}

/** [side, width]: the table's first row of positions, the only one that ids of 2.5 reach. */
export function positionTable(tower: WeightReader, { side, width }: MiniCpmVisionConfig): Weight {
  const { name, tensor } = tower.take('embeddings.position_embedding.weight', [side * side, width]);
  return { name: `${name}.first`, tensor: sliceRows(tensor, 0, side) };
}

/** x f32 [N, S, width] with positions → the same; `attend` says which patches are of one view. */
export function encode(
  b: GraphBuilder,
  x: Value,
  tower: WeightReader,
  config: MiniCpmVisionConfig,
  attend?: Attend,
): Value {
  const layers = tower.at('encoder.layers');
  const hidden = encoderLayers(b, x, layers, config.layers, config, attend).at(-1) ?? x;
  const norm = readLayerNorm(tower.at('post_layernorm'), config.width, config.epsilon);
  return b.scope('norm', () => layerNorm(b, hidden, norm));
}
