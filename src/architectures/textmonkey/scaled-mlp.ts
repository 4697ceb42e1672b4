/** TextMonkey's feed-forward layer of both of its additions: scale · fc2(GELU(fc1(x))), without biases. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { readLinear } from '../blocks/linear.ts';
import { mlp } from '../blocks/mlp.ts';
import { initializer, type WeightReader } from '../blocks/weights.ts';

/** x [..., from] → [..., to] */
export function scaledMlp(
  b: GraphBuilder,
  x: Value,
  weights: WeightReader,
  { from, to }: { readonly from: number; readonly to: number },
): Value {
  const [hidden = 1] = weights.shapeOf('fc1.weight') ?? [];
  const layers = {
    up: readLinear(weights.at('fc1'), from, hidden, { bias: false }),
    down: readLinear(weights.at('fc2'), hidden, to, { bias: false }),
  };
  return b.op('Mul', [mlp(b, x, layers, 'gelu'), initializer(b, weights.take('scale', [1]))]);
}
