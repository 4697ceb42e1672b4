/** Convolution of maps that keeps their sides: x [N, channels, H, W] → [N, width, H, W], with a bias, an odd kernel. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface Conv2dWeights {
  /** [width, channels, kernel, kernel] */
  readonly weight: Weight;
  /** [width] */
  readonly bias: Weight;
}

/** Reads `weight` and `bias` of the reader's module. */
export function readConvolution2d(
  reader: WeightReader,
  { width, channels, kernel }: { readonly width: number; readonly channels: number; readonly kernel: number },
): Conv2dWeights {
  return {
    weight: reader.take('weight', [width, channels, kernel, kernel]),
    bias: reader.take('bias', [width]),
  };
}

/** With zeros around the map. */
export function convolution2d(b: GraphBuilder, x: Value, { weight, bias }: Conv2dWeights): Value {
  const kernel = weight.tensor.shape[2] ?? 1;
  const pad = (kernel - 1) / 2;
  return b.op('Conv', [x, initializer(b, weight), initializer(b, bias)], {
    attributes: { kernel_shape: [kernel, kernel], pads: [pad, pad, pad, pad] },
  });
}
