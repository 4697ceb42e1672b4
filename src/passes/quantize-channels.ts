/**
 * Stores the weights of matrix products and convolutions as int8 with one float32 scale per output channel, in
 * standard operators only, for runtimes without those of com.microsoft: DequantizeLinear gives the float weight back
 * where it is read, so that memory is saved on the disk and on the way, and products are still computed in floats.
 *
 * Matrices are stored [N, K], a channel in a row, so that they stream; a Transpose of the int8 values makes [K, N] of
 * them, which runtimes fold when they load the graph. DequantizeLinear along the last axis before MatMul or Gemm is then
 * what onnxruntime itself turns into a product with packed weights.
 */
import { z } from 'zod';
import type { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import { type Model, opsetOf } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';
import { cast } from '../tensor/derived/cast.ts';
import { dequantizeChannels } from '../tensor/derived/dequantize-channels.ts';
import { quantizeChannels } from '../tensor/derived/quantize-channels.ts';
import { transpose2d } from '../tensor/derived/transpose.ts';
import { codeOfDType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { isOtherProduct, matrixProduct } from './matrix-product.ts';
import type { Pass, PassContext } from './pass.ts';
import { sharedObjection, WeightCoverage } from './weight-coverage.ts';

/** DequantizeLinear has an axis from here on. */
const lowestOpset = 13;

export const int8Channel: Pass<Record<string, never>> = {
  name: 'int8-channel',
  summary:
    'stores the weights of matrix products and convolutions as int8 with a scale per output channel, in standard operators',
  options: z.strictObject({}),
  run: (model, _options, cx) => new ChannelQuantizer(model, cx).run(),
};

/** A weight whose first axis is that of the output channels. */
interface ChannelWeight {
  readonly node: Node;
  readonly index: number;
  readonly weight: Value;
  readonly channels: Tensor;
  /** The graph reads it with its two axes swapped. */
  readonly transposed: boolean;
}

type NodeAttributes = Readonly<Record<string, number | readonly number[]>>;

class ChannelQuantizer {
  readonly #model: Model;
  readonly #weights: WeightCoverage;
  /** What is read instead of a weight, which is quantized once, whoever shares it. */
  readonly #done = new Map<Value, Value>();
  /** The first node of a graph as it was. */
  readonly #first = new Map<Graph, Node>();
  readonly #stats = { matmul: 0, conv: 0, kept: 0 };

  constructor(model: Model, cx: PassContext) {
    this.#model = model;
    this.#weights = new WeightCoverage(model.graph, cx);
  }

  run(): { readonly changed: boolean; readonly stats: Readonly<Record<string, number>> } {
    for (const node of allNodes(this.#model.graph)) {
      const found = channelWeight(node);
      if (found === undefined) continue;
      const reason =
        'reason' in found
          ? found.reason
          : (this.#objection(found) ?? sharedObjection(found.weight, node, found.index));
      if ('reason' in found || reason !== undefined) {
        this.#weights.keep(found.weight, node.op, reason ?? '');
        continue;
      }
      this.#replace(found);
      this.#stats[node.op === 'Conv' ? 'conv' : 'matmul'] += 1;
    }
    const changed = this.#done.size > 0;
    if (changed) removeDeadCode(this.#model.graph);
    this.#stats.kept = this.#weights.rest();
    return { changed, stats: this.#stats };
  }

  #objection({ node, channels }: ChannelWeight): string | undefined {
    const opset = opsetOf(this.#model);
    const fixed = node.metadata.get(metadataKeys.precision);
    if (fixed !== undefined) return `computed in ${fixed}`;
    if (opset < lowestOpset) return `operator set ${opset}: a scale per channel needs ${lowestOpset}`;
    const isKnown = ['float32', 'float16', 'bfloat16'].includes(channels.dtype);
    return isKnown ? undefined : `stored as ${channels.dtype}`;
  }

  #replace(found: ChannelWeight): void {
    const { node, index, weight } = found;
    const floats = this.#done.get(weight) ?? this.#dequantized(found);
    this.#done.set(weight, floats);
    if (node.op === 'Gemm') node.graph.setAttribute(node, 'transB', 0);
    node.graph.setInput(node, index, floats);
  }

  /** Floats of the weight's own type: [K, N] of a matrix, a convolution's kernels as they were. */
  #dequantized({ node, weight, channels, transposed }: ChannelWeight): Value {
    const quantized = quantizeChannels(cast(channels, 'float32'));
    const { values, scales } = quantized;
    const { graph, name } = weight;
    const [codes, steps] = [
      graph.addInitializer(graph.freshName(`${name}.values`), values),
      graph.addInitializer(graph.freshName(`${name}.scales`), scales),
    ];
    this.#weights.made([codes, steps]);
    const effective = dequantizeChannels(quantized);
    this.#weights.replaced(weight, {
      use: node.op,
      bytes: values.byteLength + scales.byteLength,
      format: 'int8 per channel',
      effective: transposed ? transpose2d(effective) : effective,
    });
    const add = (op: string, inputs: readonly Value[], attributes: NodeAttributes): Value =>
      this.#addNode(graph, node, op, inputs, attributes);
    const isMatrix = node.op !== 'Conv';
    const read = isMatrix ? add('Transpose', [codes], { perm: [1, 0] }) : codes;
    const floats = add('DequantizeLinear', [read, steps], { axis: isMatrix ? 1 : 0 });
    const { dtype } = channels;
    return dtype === 'float32' ? floats : add('Cast', [floats], { to: codeOfDType(dtype) });
  }

  /** A node over constants stands before all that were there, so that every reader comes after it. */
  #addNode(
    graph: Graph,
    reader: Node,
    op: string,
    inputs: readonly Value[],
    attributes: NodeAttributes,
  ): Value {
    const before = this.#first.get(graph) ?? [...graph.nodes()][0];
    if (before !== undefined) this.#first.set(graph, before);
    const scope = reader.metadata.get(metadataKeys.scope);
    const name = `${scope ?? reader.name}/${op}`;
    const node = graph.addNode(
      {
        op,
        inputs,
        name,
        outputs: [{ name: graph.freshName(`${name}_out`) }],
        attributes,
        metadata: [
          [metadataKeys.from, reader.metadata.get(metadataKeys.from) ?? reader.name],
          ...(scope === undefined ? [] : [[metadataKeys.scope, scope] as const]),
        ],
      },
      before,
    );
    inferNode(graph, node);
    return node.output;
  }
}

function channelWeight(
  node: Node,
): ChannelWeight | { readonly weight: Value; readonly reason: string } | undefined {
  const product = matrixProduct(node);
  if (product !== undefined) {
    if (isOtherProduct(product)) return product;
    const { index, weight, rows, transposed } = product;
    return { node, index, weight, channels: rows, transposed };
  }
  const weight = node.input(1);
  const tensor = constantTensor(weight);
  if (node.op !== 'Conv' || weight === undefined || tensor === undefined) return undefined;
  return { node, index: 1, weight, channels: tensor, transposed: false };
}
