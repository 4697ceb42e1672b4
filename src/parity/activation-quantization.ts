/**
 * Takes the quantization of activations out of a model. MatMulNBits at accuracy_level 4 rounds its input to int8
 * block by block, which no plain graph does: the implementation level runs the file without it, so that what is
 * left to differ is packing, zero points and operators.
 */
import { cloneModel } from '../graph/clone.ts';
import type { Graph } from '../graph/graph.ts';
import type { Model } from '../graph/model.ts';

/** accuracy_level of MatMulNBits: 4 is int8 activations; absent is float32. */
const int8Activations = 4;

/**
 * A clone that computes with float32 activations, or undefined when the model already does. Tensors are shared
 * with `model`: encoded with the model's own layout, the clone reads the same data files.
 */
export function withoutActivationQuantization(model: Model): Model | undefined {
  if (!graphQuantizes(model.graph)) return undefined;
  const clone = cloneModel(model);
  strip(clone.graph);
  return clone;
}

function graphQuantizes(graph: Graph): boolean {
  for (const node of graph.nodes()) {
    if (node.op === 'com.microsoft::MatMulNBits' && node.int('accuracy_level') === int8Activations)
      return true;
    for (const [, inner] of node.subgraphs()) if (graphQuantizes(inner)) return true;
  }
  return false;
}

function strip(graph: Graph): void {
  for (const node of graph.nodes()) {
    if (node.op === 'com.microsoft::MatMulNBits') graph.setAttribute(node, 'accuracy_level', undefined);
    for (const [, inner] of node.subgraphs()) strip(inner);
  }
}
