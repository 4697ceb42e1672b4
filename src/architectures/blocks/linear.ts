/**
 * Linear layers. Checkpoints store [out, in]; MatMul wants [in, out], so the initializer is a derived
 * transpose under the checkpoint's name. `y = x @ W^T + bias` on the last axis, any number of axes before it.
 *
 * A weight that a low-rank adapter updates is spelled apart, as the adapter's own library runs it:
 * `y = x @ W^T + scale · ((x @ A^T) @ B^T) + bias`. The pass merge-lora joins the two.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { lowRankParts } from '../../tensor/derived/low-rank-update.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import { adapterBranch, adapterFactors } from './view-adapters.ts';
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

/** The same of a layer whose weight is stored [inputs, outputs], as GPT-2's Conv1D has it; it has a bias. */
export function readConv1d(reader: WeightReader, inputs: number, outputs: number): LinearWeights {
  const { name, tensor } = reader.take('weight', [inputs, outputs]);
  return { weight: { name, tensor: transpose2d(tensor) }, bias: reader.take('bias', [outputs]) };
}

/** x [..., in] → [..., out] */
export function linear(b: GraphBuilder, x: Value, { weight, bias }: LinearWeights): Value {
  const product = updatedProduct(b, x, weight) ?? baseProduct(b, x, weight);
  return bias === undefined ? product : b.op('Add', [product, initializer(b, bias)]);
}

function baseProduct(b: GraphBuilder, x: Value, { name, tensor }: Weight): Value {
  return b.op('MatMul', [x, b.weight(name, transpose2d(cast(tensor, 'float32')))]);
}

/** Undefined where no adapter updates the weight. */
function updatedProduct(b: GraphBuilder, x: Value, { name, tensor }: Weight): Value | undefined {
  const parts = lowRankParts(tensor);
  // The branch has an axis for adapters before that of tokens, which x has to have.
  const axes = x.type?.kind === 'tensor' ? x.type.shape?.length : undefined;
  if (parts === undefined || axes === undefined || axes < 3) return undefined;
  const module = name.replace(/\.weight$/, '');
  let sum = baseProduct(b, x, { name, tensor: parts.base });
  for (const [index, update] of parts.updates.entries()) {
    const branch = adapterBranch(b, x, {
      name: `${module}.lora${index === 0 ? '' : index}`,
      views: [adapterFactors(update.a, update.b, update.scale)],
    });
    if (branch !== undefined) sum = b.op('Add', [sum, branch]);
  }
  return sum;
}
