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
import { fail } from '../../report/diagnostics.ts';
import { zeros } from '../../tensor/derived/fill.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import { inlineTensor } from '../../tensor/tensor.ts';
import { prependToken } from '../blocks/class-token.ts';
import { encoderLayer } from '../blocks/encoder-layer.ts';
import { type LayerNormWeights, layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { patchEmbedding } from '../blocks/patch-embedding.ts';
import { type Grid, resizePositions } from '../blocks/resize.ts';
import { initializer, type Weight, type WeightReader } from '../blocks/weights.ts';
import { type EvaConfig, joinedPatches, type MiniGptConfig } from './config.ts';
import { modules } from './modules.ts';

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

/** → hidden states f32 [N, 1 + rows · columns, width] of the last block that the original builds */
function tower(b: GraphBuilder, pixels: Value, weights: WeightReader, config: EvaConfig, grid: Grid): Value {
  let x = b.scope('embed', () => embed(b, pixels, weights, config, grid));
  for (let layer = 0; layer < config.layers; layer += 1) {
    const block = weights.at(`blocks.${layer}`);
    x = b.scope(`block.${layer}`, () => encoderLayer(b, x, block, config));
  }
  return x;
}

function embed(
  b: GraphBuilder,
  pixels: Value,
  weights: WeightReader,
  { width, patch }: EvaConfig,
  grid: Grid,
): Value {
  const conv = {
    weight: weights.take('patch_embed.proj.weight', [width, 3, patch, patch]),
    bias: weights.take('patch_embed.proj.bias', [width]),
  };
  const { table, stored } = readPositions(weights, width);
  const positions = resizePositions(b, rowsOf(table, 'patches', 1), width, stored, grid);
  const patches = b.op('Add', [patchEmbedding(b, pixels, conv, { width, patch, grid }), positions]);
  const token = weights.take('cls_token', [1, 1, width]);
  const placed = b.op('Add', [
    initializer(b, { ...token, tensor: reshape(token.tensor, [1, width]) }),
    initializer(b, rowsOf(table, 'class', 0, 1)),
  ]);
  return prependToken(b, patches, placed, width);
}

/** [1 + side², width], the class token's first; throws VC1221, VC1222 where there is no such table. */
function readPositions(
  weights: WeightReader,
  width: number,
): { readonly table: Weight; readonly stored: Grid } {
  const name = 'pos_embed';
  const where = weights.prefix + name;
  const shape = weights.shapeOf(name);
  if (shape === undefined) throw fail('VC1221', { where });
  const [, rows = 0] = shape;
  const side = Math.round(Math.sqrt(rows - 1));
  if (shape.length !== 3 || side < 1 || side * side + 1 !== rows) {
    throw fail('VC1222', { where, found: `[${shape}]`, expected: `[1, 1 + a square number, ${width}]` });
  }
  const { name: full, tensor } = weights.take(name, [1, rows, width]);
  return {
    table: { name: full, tensor: reshape(tensor, [rows, width]) },
    stored: { rows: side, columns: side },
  };
}

function rowsOf({ name, tensor }: Weight, part: string, begin: number, end = tensor.shape[0] ?? 0): Weight {
  return { name: `${name}.${part}`, tensor: sliceRows(tensor, begin, end) };
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
