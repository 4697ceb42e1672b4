/**
 * The vision tower of Qwen2-VL: a pre-norm vision transformer over patches of any grid, whose places are in the
 * rotation of queries and keys, and a merger that makes one token of merge · merge neighbours.
 *
 *   patches f32 [N, patches, 3 · frames · patch · patch] → features f32 [N · patches / (merge · merge), hidden]
 *
 * Source of the math: modeling_qwen2_vl.py of transformers. Every layer norm has eps 1e-6, the merger's GELU is exact.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { attend, splitHeads, splitQkv, swapHeads } from '../blocks/attention.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import { mlp } from '../blocks/mlp.ts';
import { rotate } from '../blocks/rotary.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { Qwen2VlVisionConfig } from './config.ts';
import type { PatchPlaces } from './patch-positions.ts';

const epsilon = 1e-6;

export interface TowerShape {
  readonly config: Qwen2VlVisionConfig;
  /** Width of the features. */
  readonly hidden: number;
  readonly places: PatchPlaces;
}

/** Numbers of a patch, and so of a row of `pixel_values`: (channel, frame, row, column). */
export function patchLength({ frames, patch }: Qwen2VlVisionConfig): number {
  return 3 * frames * patch * patch;
}

export function visionTower(
  b: GraphBuilder,
  patches: Value,
  weights: WeightReader,
  shape: TowerShape,
): Value {
  const { config } = shape;
  let x = b.scope('embed', () => embed(b, patches, weights.at('patch_embed.proj'), config));
  for (let index = 0; index < config.layers; index += 1) {
    const block = weights.at(`blocks.${index}`);
    x = b.scope(`block.${index}`, () => towerBlock(b, x, block, shape));
  }
  return b.scope('merger', () => merge(b, x, weights.at('merger'), shape));
}

/** A convolution whose stride is its kernel, over patches that are cut already: one product. */
function embed(b: GraphBuilder, patches: Value, weights: WeightReader, config: Qwen2VlVisionConfig): Value {
  const { width, frames, patch } = config;
  const { name, tensor } = weights.take('weight', [width, 3, frames, patch, patch]);
  return linear(b, patches, { weight: { name, tensor: reshape(tensor, [width, patchLength(config)]) } });
}

/** x [N, patches, width] → the same */
function towerBlock(b: GraphBuilder, x: Value, block: WeightReader, { config, places }: TowerShape): Value {
  const { width, heads, headDim, mlpWidth, activation } = config;
  const normed = layerNorm(b, x, readLayerNorm(block.at('norm1'), width, epsilon));
  const joined = linear(b, normed, readLinear(block.at('attn.qkv'), width, 3 * width, { bias: true }));
  const [q, k, v] = splitQkv(b, joined, width).map((part) => splitHeads(b, part, heads, headDim));
  if (q === undefined || k === undefined || v === undefined) throw new RangeError('q, k and v are three');
  const turn = (part: Value): Value => rotate(b, part, places.rotary, { rotaryDim: headDim, headDim });
  const mixed = attend(b, {
    q: swapHeads(b, turn(q)),
    k: swapHeads(b, turn(k)),
    v: swapHeads(b, v),
    heads,
    headDim,
    ...(places.mask === undefined ? {} : { mask: places.mask }),
  });
  const output = readLinear(block.at('attn.proj'), width, width, { bias: true });
  const attended = b.op('Add', [x, linear(b, mixed, output)]);
  const weights = {
    up: readLinear(block.at('mlp.fc1'), width, mlpWidth, { bias: true }),
    down: readLinear(block.at('mlp.fc2'), mlpWidth, width, { bias: true }),
  };
  const inner = layerNorm(b, attended, readLayerNorm(block.at('norm2'), width, epsilon));
  return b.op('Add', [attended, mlp(b, inner, weights, activation)]);
}

/** x [N, patches, width] → [tokens, hidden]: neighbours follow each other, so that joining them is a reshape. */
function merge(
  b: GraphBuilder,
  x: Value,
  weights: WeightReader,
  { config: { width, merge: side }, hidden }: TowerShape,
): Value {
  const joined = side * side * width;
  const normed = layerNorm(b, x, readLayerNorm(weights.at('ln_q'), width, epsilon));
  const blocks = b.op('Reshape', [normed, b.int64([-1, joined])]);
  const layers = {
    up: readLinear(weights.at('mlp.0'), joined, joined, { bias: true }),
    down: readLinear(weights.at('mlp.2'), joined, hidden, { bias: true }),
  };
  return mlp(b, blocks, layers, 'gelu');
}
