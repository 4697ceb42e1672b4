/**
 * The tower's `attn.in_proj` keeps its outputs per head: [heads, q | k | v, headDim]. These put them in order,
 * q | k | v, each [heads, headDim], so that one Split separates them. Rows are axis 0: of weights [3 · width,
 * in], biases [3 · width] and the `lora_b` [3 · width, rank] of adapters alike.
 */
import { permuteRows, type RowSegment } from '../../tensor/derived/rows.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export function deinterleaveQkv(tensor: Tensor, heads: number): Tensor {
  const headDim = (tensor.shape[0] ?? 0) / (3 * heads);
  const segments: RowSegment[] = [];
  for (let part = 0; part < 3; part += 1) {
    for (let head = 0; head < heads; head += 1) segments.push([(3 * head + part) * headDim, headDim]);
  }
  return permuteRows(tensor, segments);
}
