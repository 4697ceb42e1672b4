/** A part of a model as a model of its own: some nodes, the values that they are given, the values that they give. */
import { cloneNode } from './clone.ts';
import { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import type { Value } from './value.ts';

export interface Part {
  readonly nodes: ReadonlySet<Node>;
  /** What becomes inputs: every value that the nodes read and that neither they nor a constant give. */
  readonly inputs: readonly Value[];
  /** Made by the nodes. */
  readonly outputs: readonly Value[];
}

/**
 * Copies nodes of the main graph, with names and types of their values; tensors are shared. Throws a RangeError when
 * the nodes read a value that the part does not give them.
 */
export function extractModel(model: Model, { nodes, inputs, outputs }: Part): Model {
  const graph = new Graph(model.graph.name);
  const copies = new Map<Value, Value>();
  for (const input of inputs) copies.set(input, graph.addInput(input.name, input.type));
  for (const node of model.graph.nodes()) {
    if (!nodes.has(node)) continue;
    for (const value of readsOf(node)) if (!copies.has(value)) copyConstant(value, graph, copies);
    cloneNode(node, graph, copies);
  }
  graph.setOutputs(outputs.map((value) => copyOf(value, copies)));
  return {
    ...model,
    opsetImports: new Map(model.opsetImports),
    metadata: new Map(),
    graph,
    functions: model.functions,
  };
}

/** The values of a node's own graph that it reads, in its bodies too; each once. */
export function readsOf(node: Node): readonly Value[] {
  const reads = new Set<Value>();
  const visit = (reader: Node): void => {
    for (const value of reader.inputs) if (value?.graph === node.graph) reads.add(value);
    for (const [, body] of reader.subgraphs()) {
      for (const inner of body.nodes()) visit(inner);
      for (const value of body.outputs) if (value.graph === node.graph) reads.add(value);
    }
  };
  visit(node);
  return [...reads];
}

function copyConstant(value: Value, into: Graph, copies: Map<Value, Value>): void {
  const sparse = value.graph.sparseInitializers.get(value.name);
  if (sparse !== undefined) {
    copies.set(value, into.addSparseInitializer(value.name, sparse));
  } else if (value.initializer !== undefined) {
    const copy = into.addInitializer(value.name, value.initializer);
    into.setType(copy, value.type);
    copies.set(value, copy);
  }
}

function copyOf(value: Value, copies: ReadonlyMap<Value, Value>): Value {
  const copy = copies.get(value);
  if (copy === undefined) throw new RangeError(`${value.name} is not made by the part`);
  return copy;
}
