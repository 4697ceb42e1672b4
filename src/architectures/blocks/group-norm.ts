/**
 * Group normalisation of maps x [N, C, H, W]: channels in equal groups, each group brought to mean 0 and variance 1, then
 * scaled and moved per channel. Spelled as instance normalisation of the groups: GroupNormalization as it is today is
 * newer (opset 21) than the reference graphs, and kernels of the older operator are many.
 *
 * A group of a decoder's last level has half a million elements: sums of their squares leave the range of float16, so
 * that the statistics are computed in float32 whatever the weights become.
 */
import { float } from '../../graph/attribute.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { fail } from '../../report/diagnostics.ts';
import { quote } from '../../report/show.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { initializer, type Weight, type WeightReader } from './weights.ts';

export interface GroupNormWeights {
  /** [C] */
  readonly weight: Weight;
  /** [C] */
  readonly bias: Weight;
  /** Divides C. */
  readonly groups: number;
  readonly epsilon: number;
}

export interface GroupNormShape {
  readonly groups: number;
  readonly epsilon: number;
}

/** Throws VC1221 to VC1223, for channels that the groups do not divide, too. */
export function readGroupNorm(
  reader: WeightReader,
  channels: number,
  { groups, epsilon }: GroupNormShape,
): GroupNormWeights {
  const weight = reader.take('weight', [channels]);
  if (channels % groups !== 0) {
    throw fail('VC1222', {
      where: quote(weight.name),
      found: `[${channels}]`,
      expected: `a multiple of ${groups}: channels are normalised in so many groups`,
    });
  }
  return {
    weight,
    bias: reader.take('bias', [channels]),
    groups,
    epsilon,
  };
}

/** x [N, C, H, W], whose sides are known → the same. */
export function groupNorm(
  b: GraphBuilder,
  x: Value,
  { weight, bias, groups, epsilon }: GroupNormWeights,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Value {
  const [channels = 0] = weight.tensor.shape;
  const perGroup = b.op('Reshape', [x, b.int64([0, groups, -1])]);
  const plain = (value: number): Value => b.float32(Array.from({ length: groups }, () => value));
  const normed = b.op('InstanceNormalization', [perGroup, plain(1), plain(0)], {
    attributes: { epsilon: float(epsilon) },
    metadata: [[metadataKeys.precision, 'float32']],
  });
  const map = b.op('Reshape', [normed, b.int64([0, channels, rows, columns])]);
  const perChannel = ({ name, tensor }: Weight): Value =>
    initializer(b, { name, tensor: reshape(tensor, [channels, 1, 1]) });
  return b.op('Add', [b.op('Mul', [map, perChannel(weight)]), perChannel(bias)]);
}
