/**
 * MiniGPT-v2's vision component: EVA-CLIP-g without its final norm, a norm of its own, four neighbours joined, a linear.
 *
 *   pixels f32 [N, 3, rows · patch, columns · patch] → f32 [N, rows · columns / 4, hidden]
 *
 * On another grid than the stored one the positions of the patches are resized, that of the class token stays. Four
 * patches that follow each other row by row are one token, also over the end of a row. Source of the math: MiniGPT-4's
 * eva_vit.py and minigpt_v2.py.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { bytesOf } from '../../kernels/bytes.ts';
import { zeros } from '../../tensor/derived/fill.ts';
import { inlineTensor } from '../../tensor/tensor.ts';
import { encoderLayers } from '../blocks/encoder-layer.ts';
import { type LayerNormWeights, layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { type PatchTokenNames, patchTokens } from '../blocks/patch-tokens.ts';
import type { Grid } from '../blocks/resize.ts';
import { storedGrid } from '../blocks/stored-grid.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { type EvaConfig, joinedPatches, type MiniGptConfig } from './config.ts';
import { modules } from './modules.ts';

const names: PatchTokenNames = {
  patches: 'patch_embed.proj',
  bias: true,
  positions: 'pos_embed',
  classToken: 'cls_token',
  batched: true,
};

/** Of torch's LayerNorm, which the original code makes for `ln_vision`. */
const normEpsilon = 1e-5;

export function imageFeatures(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { vision, text }: MiniGptConfig,
  grid: Grid,
): Value {
  const { width } = vision;
  const hidden = tower(b, pixels, weights.at(modules.tower), vision, grid);
  return b.scope('projector', () => {
    const normed = layerNorm(b, hidden, readVisionNorm(weights.at(modules.norm), width));
    const end = grid.rows * grid.columns + 1;
    const patches = b.op('Slice', [normed, b.int64([1]), b.int64([end]), b.int64([1])]);
    const joined = b.op('Reshape', [patches, b.int64([0, (end - 1) / joinedPatches, joinedPatches * width])]);
    const layer = readLinear(weights.at(modules.projector), joinedPatches * width, text.hidden, {
      bias: true,
    });
    return linear(b, joined, layer);
  });
}

/** → f32 [N, 1 + rows · columns, width], behind the last block that the original builds */
function tower(b: GraphBuilder, pixels: Value, weights: WeightReader, config: EvaConfig, grid: Grid): Value {
  const { width, patch, layers } = config;
  const stored = storedGrid(weights, names.positions, { before: 1, batched: true });
  const first = b.scope('embed', () =>
    patchTokens(b, pixels, weights, names, { width, patch, stored, grid }),
  );
  return encoderLayers(b, first, weights.at('blocks'), layers, config).at(-1) ?? first;
}

/** As the file has it, or as it was made: a frozen one is not saved. */
function readVisionNorm(reader: WeightReader, width: number): LayerNormWeights {
  if (reader.has('weight') || reader.has('bias')) return readLayerNorm(reader, width, normEpsilon);
  const ones = inlineTensor('float32', [width], bytesOf(new Float32Array(width).fill(1)));
  return {
    weight: { name: `${reader.prefix}weight`, tensor: ones },
    bias: { name: `${reader.prefix}bias`, tensor: zeros('float32', [width]) },
    epsilon: normEpsilon,
  };
}
