/** Convolution along one axis, such as time: x [N, channels, length] → [N, width, shorter by the stride]. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface Conv1dWeights {
  /** [width, channels, kernel] */
  readonly weight: Weight;
  /** [width] */
  readonly bias: Weight;
}

/** Reads `weight` and `bias` of the reader's module. */
export function readConvolution1d(
  reader: WeightReader,
  shape: { readonly width: number; readonly channels: number; readonly kernel: number },
): Conv1dWeights {
  const { width, channels, kernel } = shape;
  return { weight: reader.take('weight', [width, channels, kernel]), bias: reader.take('bias', [width]) };
}

/** With as many zeros on both sides as keep the length at stride 1; the kernel is odd. */
export function convolution1d(
  b: GraphBuilder,
  x: Value,
  { weight, bias }: Conv1dWeights,
  stride: number,
): Value {
  const kernel = weight.tensor.shape[2] ?? 1;
  const pad = (kernel - 1) / 2;
  return b.op('Conv', [x, initializer(b, weight), initializer(b, bias)], {
    attributes: { kernel_shape: [kernel], strides: [stride], pads: [pad, pad] },
  });
}
