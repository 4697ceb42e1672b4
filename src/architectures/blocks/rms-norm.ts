/**
 * Root-mean-square normalisation over the last axis, x [..., size]: x / sqrt(mean(x²) + epsilon) · weight.
 * Spelled in primitives, because RMSNormalization is newer (opset 23) than the reference graphs.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface RmsNormWeights {
  /** [size] */
  readonly weight: Weight;
  readonly epsilon: number;
}

export function readRmsNorm(reader: WeightReader, size: number, epsilon: number): RmsNormWeights {
  return { weight: reader.take('weight', [size]), epsilon };
}

export function rmsNorm(b: GraphBuilder, x: Value, { weight, epsilon }: RmsNormWeights): Value {
  const squares = b.op('Pow', [x, b.scalar(2)]);
  const mean = b.op('ReduceMean', [squares, b.int64([-1])], { attributes: { keepdims: 1 } });
  const root = b.op('Sqrt', [b.op('Add', [mean, b.scalar(epsilon)])]);
  return b.op('Mul', [b.op('Div', [x, root]), initializer(b, weight)], {
    metadata: [[metadataKeys.calls, 'rms_norm']],
  });
}
