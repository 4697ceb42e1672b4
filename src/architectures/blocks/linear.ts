/**
 * Linear layers. Checkpoints store [out, in]; MatMul wants [in, out], so the initializer is a derived
 * transpose under the checkpoint's name. `y = x @ W^T + bias` on the last axis, any number of axes before it.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface LinearWeights {
  /** [out, in] */
  readonly weight: Weight;
  /** [out] */
  readonly bias?: Weight;
}

/** Reads `weight` [outputs, inputs] and, if the layer has one, `bias` [outputs] of the reader's module. */
export function readLinear(
  reader: WeightReader,
  inputs: number,
  outputs: number,
  options: { readonly bias: boolean },
): LinearWeights {
  const weight = reader.take('weight', [outputs, inputs]);
  return options.bias ? { weight, bias: reader.take('bias', [outputs]) } : { weight };
}

/** x [..., in] → [..., out] */
export function linear(b: GraphBuilder, x: Value, { weight, bias }: LinearWeights): Value {
  const transposed = b.weight(weight.name, transpose2d(cast(weight.tensor, 'float32')));
  const product = b.op('MatMul', [x, transposed]);
  return bias === undefined ? product : b.op('Add', [product, initializer(b, bias)]);
}
