/** x [..., inputs] → [..., width]: linears with an activation between each two. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { activate } from '../blocks/activation.ts';
import { linear, readLinear } from '../blocks/linear.ts';
import type { WeightReader } from '../blocks/weights.ts';
import type { AlignerConfig } from './config.ts';

/** `nameOf` the linear that comes so many others after the first. */
export function aligner(
  b: GraphBuilder,
  x: Value,
  weights: WeightReader,
  { inputs, width, depth, activation }: AlignerConfig,
  nameOf: (index: number) => string,
): Value {
  let y = x;
  for (let index = 0; index < depth; index += 1) {
    const layer = readLinear(weights.at(nameOf(index)), index === 0 ? inputs : width, width, { bias: true });
    y = linear(b, index === 0 ? y : activate(b, y, activation), layer);
  }
  return y;
}
