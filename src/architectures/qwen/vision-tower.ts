/**
 * The vision tower of Qwen-VL, Monkey and TextMonkey: a pre-norm vision transformer and a resampler per view.
 *
 *   views f32 [N · V, 3, rows · patch, columns · patch] → features f32 [N, V · queries, outputDim]
 *
 * The hidden state is [N, V, patches, width] throughout, so that adapters that differ from view to view
 * broadcast over N. Attention stays inside a view. Source of the math: visual.py of the Qwen-VL release and
 * of Monkey. Every layer norm has eps 1e-6, GELU is exact.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { attention, splitQkv } from '../blocks/attention.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { type LinearWeights, linear, readLinear } from '../blocks/linear.ts';
import { mlp } from '../blocks/mlp.ts';
import { patchEmbedding } from '../blocks/patch-embedding.ts';
import { projectPooled, readResampler, resampler } from '../blocks/resampler.ts';
import { type Grid, resizePositions } from '../blocks/resize.ts';
import { storedGrid } from '../blocks/stored-grid.ts';
import { adapterBranch, type ViewAdapters } from '../blocks/view-adapters.ts';
import { initializer, type Weight, type WeightReader } from '../blocks/weights.ts';
import type { QwenVisualConfig } from './config.ts';
import { deinterleaveQkv } from './interleaved-qkv.ts';

const epsilon = 1e-6;

/** The adapters of one block, over the views. */
export interface BlockAdapters {
  /** `b` in the order q | k | v. */
  readonly inProj: ViewAdapters;
  readonly outProj: ViewAdapters;
  /** Runs on the residual before ln_2 and adds to the block's output: it cannot fold into the MLP. */
  readonly mlp: ViewAdapters;
}

export interface TowerShape {
  readonly config: QwenVisualConfig;
  /** V: views per picture. */
  readonly views: number;
  /** Patches of a view. */
  readonly grid: Grid;
  /** Read from the resampler's `query`. */
  readonly queries: number;
  /** One entry per block; undefined in families without adapters. */
  readonly adapters?: readonly BlockAdapters[];
  /** What happens to the hidden state before a block. */
  readonly before?: (b: GraphBuilder, x: Value, block: number) => Value;
}

export function visionTower(b: GraphBuilder, views: Value, weights: WeightReader, shape: TowerShape): Value {
  const { config, grid } = shape;
  let x = b.scope('embed', () => embed(b, views, weights, shape));
  for (let index = 0; index < config.layers; index += 1) {
    const block = weights.at(`transformer.resblocks.${index}`);
    x = shape.before?.(b, x, index) ?? x;
    x = b.scope(`block.${index}`, () => towerBlock(b, x, block, shape, shape.adapters?.[index]));
  }
  return b.scope('pool', () => {
    const patches = b.op('Reshape', [x, b.int64([-1, grid.rows * grid.columns, config.width])]);
    return pool(b, patches, weights, shape);
  });
}

/** views [N · V, 3, h, w] → [N, V, patches, width] */
function embed(b: GraphBuilder, views: Value, weights: WeightReader, shape: TowerShape): Value {
  const { config, grid } = shape;
  const { width, patch } = config;
  const conv = { weight: weights.take('conv1.weight', [width, 3, patch, patch]) };
  const patches = patchEmbedding(b, views, conv, { width, patch, grid });
  const stored = storedGrid(weights, 'positional_embedding');
  const table = weights.take('positional_embedding', [stored.rows * stored.columns, width]);
  const placed = b.op('Add', [patches, resizePositions(b, table, width, stored, grid)]);
  const normed = layerNorm(b, placed, readLayerNorm(weights.at('ln_pre'), width, epsilon));
  return b.op('Reshape', [normed, b.int64([-1, shape.views, grid.rows * grid.columns, width])]);
}

/** x [N, V, patches, width] → the same */
function towerBlock(
  b: GraphBuilder,
  x: Value,
  block: WeightReader,
  { config, views, grid }: TowerShape,
  adapters: BlockAdapters | undefined,
): Value {
  const { width, heads, mlpWidth } = config;
  const patches = grid.rows * grid.columns;
  const adapted = (input: Value, base: LinearWeights, own: ViewAdapters | undefined): Value =>
    addBranch(b, linear(b, input, base), input, own);

  const normed = layerNorm(b, x, readLayerNorm(block.at('ln_1'), width, epsilon));
  const qkv = adapted(normed, readInProj(block.at('attn.in_proj'), width, heads), adapters?.inProj);
  const perView = b.op('Reshape', [qkv, b.int64([-1, patches, 3 * width])]);
  const [q, k, v] = splitQkv(b, perView, width);
  const mixed = attention(b, { q, k, v, heads, headDim: width / heads });
  const joined = b.op('Reshape', [mixed, b.int64([-1, views, patches, width])]);
  const outProj = readLinear(block.at('attn.out_proj'), width, width, { bias: true });
  const attended = b.op('Add', [x, adapted(joined, outProj, adapters?.outProj)]);

  const fed = mlp(
    b,
    layerNorm(b, attended, readLayerNorm(block.at('ln_2'), width, epsilon)),
    {
      up: readLinear(block.at('mlp.c_fc'), width, mlpWidth, { bias: true }),
      down: readLinear(block.at('mlp.c_proj'), mlpWidth, width, { bias: true }),
    },
    'gelu',
  );
  return addBranch(b, b.op('Add', [attended, fed]), attended, adapters?.mlp);
}

function addBranch(b: GraphBuilder, y: Value, x: Value, adapters: ViewAdapters | undefined): Value {
  const branch = adapters === undefined ? undefined : adapterBranch(b, x, adapters);
  return branch === undefined ? y : b.op('Add', [y, branch]);
}

function readInProj(reader: WeightReader, width: number, heads: number): LinearWeights {
  const ordered = ({ name, tensor }: Weight): Weight => ({ name, tensor: deinterleaveQkv(tensor, heads) });
  return {
    weight: ordered(reader.take('weight', [3 * width, width])),
    bias: ordered(reader.take('bias', [3 * width])),
  };
}

/** patches [N · V, patches, width] → [N, V · queries, outputDim] */
function pool(b: GraphBuilder, patches: Value, weights: WeightReader, shape: TowerShape): Value {
  const { config, grid, queries, views } = shape;
  const { width, outputDim: size } = config;
  const reader = weights.at('attn_pool');
  const stored = storedGrid(reader, 'query');
  const resampled = { width, size, queries };
  const parts = readResampler(reader, resampled, epsilon);
  const table = reader.take('pos_embed', [queries, size]);
  const pooled = resampler(b, patches, parts, resampled, {
    placed: (x) => b.op('Add', [x, resizePositions(b, table, size, stored, grid)]),
    placedQueries: (latents) => b.op('Add', [latents, initializer(b, table)]),
  });
  const projected = projectPooled(b, pooled, weights, size, epsilon);
  return b.op('Reshape', [projected, b.int64([-1, views * queries, size])]);
}
