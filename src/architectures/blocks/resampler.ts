/**
 * Perceiver resampler: a fixed number of learned queries attends to the patches of a view. Keys carry the positions of
 * the patches, queries their own where the family has them; values carry none.
 *
 *   x = ln_kv(kv_proj(patches)); q = ln_q(query) (+ positions); k = x + positions; v = x
 *   out_proj(attention(q, k, v)), then ln_post(…) @ proj
 *
 * patches [N, S, width] → [N, queries, size], or what `attend` makes of them.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import { type Attend, attention } from './attention.ts';
import { type LayerNormWeights, layerNorm, readLayerNorm } from './layer-norm.ts';
import { type LinearWeights, linear, readLinear } from './linear.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface ResamplerWeights {
  /** [queries, size] */
  readonly query: Weight;
  /** width → size; absent where the two are equal */
  readonly kvProjection?: LinearWeights;
  readonly lnQ: LayerNormWeights;
  readonly lnKv: LayerNormWeights;
  readonly q: LinearWeights;
  readonly k: LinearWeights;
  readonly v: LinearWeights;
  readonly out: LinearWeights;
}

export interface ResamplerShape {
  /** Of the patches. */
  readonly width: number;
  readonly size: number;
  readonly queries: number;
}

/** What is known of where patches are. */
export interface ResamplerPositions {
  /** x [N, S, size] with positions: the keys. */
  readonly placed: (x: Value) => Value;
  /** The latents [queries, size] with positions, where the family's have some. */
  readonly placedQueries?: (latents: Value) => Value;
  /** Which patches a query sees: by default all of the same N. */
  readonly attend?: Attend;
}

/** One head per whole 128 channels, in every family. */
export function resamplerHeads(size: number): number {
  return Math.floor(size / 128);
}

/** Reads `query`, `kv_proj`, `ln_q`, `ln_kv` and `attn` of a resampler's module. */
export function readResampler(
  reader: WeightReader,
  { width, size, queries }: ResamplerShape,
  epsilon: number,
): ResamplerWeights {
  const weight = reader.take('attn.in_proj_weight', [3 * size, size]);
  const bias = reader.take('attn.in_proj_bias', [3 * size]);
  const part = (index: number, name: string): LinearWeights => {
    const rows = ({ name: whole, tensor }: Weight): Weight => ({
      name: `${whole}.${name}`,
      tensor: sliceRows(tensor, index * size, (index + 1) * size),
    });
    return { weight: rows(weight), bias: rows(bias) };
  };
  return {
    query: reader.take('query', [queries, size]),
    // The references leave the projection out where it would not change the width.
    ...(width === size
      ? {}
      : { kvProjection: readLinear(reader.at('kv_proj'), width, size, { bias: false }) }),
    lnQ: readLayerNorm(reader.at('ln_q'), size, epsilon),
    lnKv: readLayerNorm(reader.at('ln_kv'), size, epsilon),
    q: part(0, 'q'),
    k: part(1, 'k'),
    v: part(2, 'v'),
    out: readLinear(reader.at('attn.out_proj'), size, size, { bias: true }),
  };
}

/** Up to `out_proj`. */
export function resampler(
  b: GraphBuilder,
  patches: Value,
  weights: ResamplerWeights,
  { queries, size }: ResamplerShape,
  positions: ResamplerPositions,
): Value {
  const projected = weights.kvProjection === undefined ? patches : linear(b, patches, weights.kvProjection);
  const x = layerNorm(b, projected, weights.lnKv);
  const keys = positions.placed(x);

  const latents = layerNorm(b, initializer(b, weights.query), weights.lnQ);
  const asked = linear(b, positions.placedQueries?.(latents) ?? latents, weights.q);
  // The same queries for every view: attention takes them with the batch of the patches.
  const batch = b.op('Shape', [patches], { attributes: { start: 0, end: 1 } });
  const shape = b.op('Concat', [batch, b.int64([queries, size])], { attributes: { axis: 0 } });
  const heads = resamplerHeads(size);
  const { attend = attention } = positions;
  const mixed = attend(b, {
    q: b.op('Expand', [asked, shape]),
    k: linear(b, keys, weights.k),
    v: linear(b, x, weights.v),
    heads,
    headDim: size / heads,
  });
  return linear(b, mixed, weights.out);
}

/** `ln_post`, then `proj`, of the module that has them. */
export function projectPooled(
  b: GraphBuilder,
  pooled: Value,
  reader: WeightReader,
  size: number,
  epsilon: number,
): Value {
  const normed = layerNorm(b, pooled, readLayerNorm(reader.at('ln_post'), size, epsilon));
  // `proj` is a bare parameter, applied as x @ proj: already laid out as MatMul wants it.
  return b.op('MatMul', [normed, initializer(b, reader.take('proj', [size, size]))]);
}
