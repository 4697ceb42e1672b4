/**
 * Takes the quantization of activations out of a model, which no plain graph does: the implementation level runs the
 * file without it, so that what is left to differ is packing, zero points and operators. Two forms are known:
 *
 * - MatMulNBits at accuracy_level 4 rounds its input to int8, block by block.
 * - DequantizeLinear of a turned matrix before a product (int8-channel) is what onnxruntime makes such a MatMulNBits
 *   of. With the float matrix turned instead of the int8 one it does not.
 */
import { cloneModel } from '../graph/clone.ts';
import type { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';

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
    if (isInexactProduct(node) || turnedCodes(node) !== undefined) return true;
    for (const [, inner] of node.subgraphs()) if (graphQuantizes(inner)) return true;
  }
  return false;
}

function strip(graph: Graph): void {
  for (const node of graph.nodes()) {
    if (isInexactProduct(node)) graph.setAttribute(node, 'accuracy_level', undefined);
    const turned = turnedCodes(node);
    if (turned !== undefined) turnFloats(node, turned);
    for (const [, inner] of node.subgraphs()) strip(inner);
  }
}

function isInexactProduct(node: Node): boolean {
  return node.op === 'com.microsoft::MatMulNBits' && node.int('accuracy_level') === int8Activations;
}

/** Where a DequantizeLinear per column reads a turned constant: what was turned, and the scales. */
interface Turned {
  readonly turn: Node;
  readonly codes: Value;
  readonly scales: Value;
}

function turnedCodes(node: Node): Turned | undefined {
  const turn = node.input(0)?.producer;
  const [codes, scales] = [turn?.input(0), node.input(1)];
  if (node.op !== 'DequantizeLinear' || node.int('axis') !== 1 || node.input(2) !== undefined)
    return undefined;
  if (turn?.op !== 'Transpose' || codes?.initializer === undefined || scales === undefined) return undefined;
  return `${turn.ints('perm')}` === '1,0' ? { turn, codes, scales } : undefined;
}

function turnFloats(node: Node, { turn, codes, scales }: Turned): void {
  const { graph } = node;
  const floats = graph.addNode(
    { op: 'DequantizeLinear', inputs: [codes, scales], attributes: { axis: 0 } },
    node,
  );
  inferNode(graph, floats);
  const turned = graph.addNode(
    { op: 'Transpose', inputs: [floats.output], attributes: { perm: [1, 0] } },
    node,
  );
  inferNode(graph, turned);
  graph.replaceAllUses(node.output, turned.output);
  graph.removeNode(node);
  if (turn.output.uses.size === 0) graph.removeNode(turn);
}
