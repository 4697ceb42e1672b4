/** Layer normalisation over the last axis, x [..., size], with weight and bias. */
import { float } from '../../graph/attribute.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface LayerNormWeights {
  /** [size] */
  readonly weight: Weight;
  /** [size] */
  readonly bias: Weight;
  readonly epsilon: number;
}

export function readLayerNorm(reader: WeightReader, size: number, epsilon: number): LayerNormWeights {
  return { weight: reader.take('weight', [size]), bias: reader.take('bias', [size]), epsilon };
}

export function layerNorm(b: GraphBuilder, x: Value, weights: LayerNormWeights): Value {
  return b.op('LayerNormalization', [x, initializer(b, weights.weight), initializer(b, weights.bias)], {
    attributes: { axis: -1, epsilon: float(weights.epsilon) },
    metadata: [[metadataKeys.calls, 'layer_norm']],
  });
}
