/**
 * Patch embedding: a convolution whose stride is its kernel, then the patches in row-major order.
 * pixels [N, channels, H, W] → [N, rows · columns, width]; a rest that fills no patch is ignored. Without a grid there are
 * as many patches as the pixels hold when the graph runs.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import type { Grid } from './resize.ts';
import { initializer, type Weight } from './weights.ts';

export interface PatchEmbeddingWeights {
  /** [width, channels, patch, patch] */
  readonly weight: Weight;
  /** [width] */
  readonly bias?: Weight;
}

export function patchEmbedding(
  b: GraphBuilder,
  pixels: Value,
  { weight, bias }: PatchEmbeddingWeights,
  { width, patch, grid }: { readonly width: number; readonly patch: number; readonly grid?: Grid },
): Value {
  const inputs = [pixels, initializer(b, weight), ...(bias === undefined ? [] : [initializer(b, bias)])];
  const map = b.op('Conv', inputs, {
    attributes: { kernel_shape: [patch, patch], strides: [patch, patch] },
  });
  const patches = grid === undefined ? -1 : grid.rows * grid.columns;
  const flat = b.op('Reshape', [map, b.int64([0, width, patches])]);
  return b.op('Transpose', [flat], { attributes: { perm: [0, 2, 1] } });
}
