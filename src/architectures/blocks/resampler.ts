/**
 * Perceiver resampler: a fixed number of learned queries attends to the patches of a view. Keys carry the
 * positions of the patch grid, queries those of the stored grid; values carry none.
 *
 *   x = ln_kv(kv_proj(patches)); q = ln_q(query) + positions; k = x + resized positions; v = x
 *
 * patches [N, rows · columns, width] → [N, queries, size]
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { attention } from './attention.ts';
import { type LayerNormWeights, layerNorm } from './layer-norm.ts';
import { type LinearWeights, linear } from './linear.ts';
import { type Grid, resizePositions } from './resize.ts';
import { initializer, type Weight } from './weights.ts';

export interface ResamplerWeights {
  /** [queries, size] */
  readonly query: Weight;
  /** [storedGrid.rows · storedGrid.columns, size] */
  readonly positions: Weight;
  readonly storedGrid: Grid;
  /** width → size; absent where the two are equal */
  readonly kvProjection?: LinearWeights;
  readonly lnQ: LayerNormWeights;
  readonly lnKv: LayerNormWeights;
  readonly q: LinearWeights;
  readonly k: LinearWeights;
  readonly v: LinearWeights;
  readonly out: LinearWeights;
}

export function resampler(
  b: GraphBuilder,
  patches: Value,
  weights: ResamplerWeights,
  {
    queries,
    size,
    heads,
    grid,
  }: { readonly queries: number; readonly size: number; readonly heads: number; readonly grid: Grid },
): Value {
  const projected = weights.kvProjection === undefined ? patches : linear(b, patches, weights.kvProjection);
  const x = layerNorm(b, projected, weights.lnKv);
  const keys = b.op('Add', [x, resizePositions(b, weights.positions, size, weights.storedGrid, grid)]);

  const latents = layerNorm(b, initializer(b, weights.query), weights.lnQ);
  const asked = linear(b, b.op('Add', [latents, initializer(b, weights.positions)]), weights.q);
  // The same queries for every view: attention takes them with the batch of the patches.
  const batch = b.op('Shape', [patches], { attributes: { start: 0, end: 1 } });
  const shape = b.op('Concat', [batch, b.int64([queries, size])], { attributes: { axis: 0 } });
  const mixed = attention(b, {
    q: b.op('Expand', [asked, shape]),
    k: linear(b, keys, weights.k),
    v: linear(b, x, weights.v),
    heads,
    headDim: size / heads,
  });
  return linear(b, mixed, weights.out);
}
