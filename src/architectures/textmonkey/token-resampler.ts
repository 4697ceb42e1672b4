/**
 * TextMonkey's token resampler: of the features of all tiles it keeps those that are least like any other, in their order,
 * and lets them ask all of them.
 *
 *   kept = the r tokens of the least similarity to those after them
 *   y = downsample(kept); y = attend(downsample(x), y); kept + scale · fc2(GELU(fc1(norm(y))))
 *
 * Source of the math: visual.py of TextMonkey. x [N, L, width] → [N, r, width].
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { attention } from '../blocks/attention.ts';
import { layerNorm, readLayerNorm } from '../blocks/layer-norm.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import type { WeightReader } from '../blocks/weights.ts';
import { scaledMlp } from './scaled-mlp.ts';

const epsilon = 1e-5;
/** A literal of the original's code. */
const headDim = 128;

export interface TokenShape {
  readonly width: number;
  /** L. */
  readonly tokens: number;
  /** r. */
  readonly kept: number;
}

/** Reads `downresampler`. */
export function tokenResampler(b: GraphBuilder, x: Value, weights: WeightReader, shape: TokenShape): Value {
  const { width, tokens, kept } = shape;
  const places = b.scope('select', () => leastSimilar(b, x, tokens, kept));
  const wanted = b.op('Unsqueeze', [places, b.int64([-1])], { name: 'selected' });
  let latents = b.op('GatherND', [x, wanted], { attributes: { batch_dims: 1 } });

  const [size = 1] = weights.shapeOf('downsample.weight') ?? [];
  const down = readLinear(weights.at('downsample'), width, size, { bias: false });
  const all = linear(b, x, down);
  let low = linear(b, latents, down);
  // The release has one layer; what a checkpoint has more of runs one after the other.
  for (let layer = 0; layer === 0 || weights.has(`layers.${layer}.0.to_q.weight`); layer += 1) {
    const own = weights.at(`layers.${layer}`);
    low = attend(b, all, low, own.at('0'), size);
    latents = b.op('Add', [feed(b, low, own.at('1'), size, width), latents]);
  }
  return latents;
}

/**
 * Places of the tokens, ascending: i64 [N, kept]. A token's similarity is the largest cosine between it and one after it,
 * less 2 for those up to itself, so that the last is always kept. Of equal ones the later are kept: the original sorts in
 * descending order, stably on the CPU, as TopK orders ties.
 */
function leastSimilar(b: GraphBuilder, x: Value, tokens: number, kept: number): Value {
  // What is chosen hangs on the last bits: whatever the weights become, this is float32.
  const metadata = [[metadataKeys.precision, 'float32'] as const];
  const squares = b.op('ReduceL2', [x, b.int64([-1])], { attributes: { keepdims: 1 }, metadata });
  const normed = b.op('Div', [x, squares], { metadata });
  const across = b.op('Transpose', [normed], { attributes: { perm: [0, 2, 1] }, metadata });
  const cosines = b.op('MatMul', [normed, across], { metadata });
  const before = Array.from({ length: tokens }, (_, at) => at);
  const rows = b.int64(before, [tokens, 1]);
  const columns = b.int64(before, [1, tokens]);
  const earlier = b.op('GreaterOrEqual', [rows, columns], { metadata });
  const lowered = b.op('Sub', [cosines, b.scalar(2)], { metadata });
  const scores = b.op('Where', [earlier, lowered, cosines], { metadata });
  const most = b.op('ReduceMax', [scores, b.int64([-1])], {
    attributes: { keepdims: 0 },
    metadata,
    name: 'node_max',
  });
  const [, order] = b.ops('TopK', [most, b.int64([tokens])], 2, { attributes: { axis: -1 }, metadata });
  if (order === undefined) throw new RangeError('TopK made no indices');
  const least = b.op('Slice', [order, b.int64([tokens - kept]), b.int64([tokens]), b.int64([1])]);
  const [ascending] = b.ops('TopK', [least, b.int64([kept])], 2, { attributes: { axis: -1, largest: 0 } });
  if (ascending === undefined) throw new RangeError('TopK made no values');
  return ascending;
}

/** x [N, L, size], latents [N, r, size] → [N, r, size]; keys and values are of both */
function attend(b: GraphBuilder, x: Value, latents: Value, weights: WeightReader, size: number): Value {
  const [inner = headDim] = weights.shapeOf('to_q.weight') ?? [];
  if (inner % headDim !== 0) {
    throw fail('VC1222', {
      where: `${weights.prefix}to_q.weight`,
      found: `${inner} rows`,
      expected: `heads of ${headDim} rows`,
    });
  }
  const media = layerNorm(b, x, readLayerNorm(weights.at('norm_media'), size, epsilon));
  const asked = layerNorm(b, latents, readLayerNorm(weights.at('norm_latents'), size, epsilon));
  const both = b.op('Concat', [media, asked], { attributes: { axis: 1 } });
  const kv = linear(b, both, readLinear(weights.at('to_kv'), size, 2 * inner, { bias: false }));
  const [k, v] = b.ops('Split', [kv, b.int64([inner, inner])], 2, { attributes: { axis: -1 } });
  if (k === undefined || v === undefined) throw new RangeError('Split made no two outputs');
  const q = linear(b, asked, readLinear(weights.at('to_q'), size, inner, { bias: false }));
  const mixed = attention(b, { q, k, v, heads: inner / headDim, headDim });
  return linear(b, mixed, readLinear(weights.at('to_out'), inner, size, { bias: false }));
}

/** x [N, r, size] → [N, r, width] */
function feed(b: GraphBuilder, x: Value, weights: WeightReader, size: number, width: number): Value {
  const normed = layerNorm(b, x, readLayerNorm(weights.at('norm'), size, epsilon));
  return scaledMlp(b, normed, weights, { from: size, to: width });
}
