/** A model's graph in the place of a call: copies of its nodes in another graph, fed with values of that one. */
import { type CopyChanges, cloneNode } from './clone.ts';
import type { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Value } from './value.ts';

/**
 * Appends the nodes of a model to `into`. `given`: a value for each of its inputs, by name; what is not given becomes
 * an input of `into`, of the same name. Constants go into `weights`: `into`, or a graph around it. Tensors are shared;
 * names are kept where they are free. Returns the outputs by name. The caller imports the operator sets that the model
 * needs; a model with local functions is refused.
 */
export function inlineModel(
  { graph, functions }: Model,
  into: Graph,
  given: ReadonlyMap<string, Value>,
  weights: Graph = into,
): ReadonlyMap<string, Value> {
  if (functions.length > 0) throw new RangeError('local functions are not taken along');
  const copies = new Map<Value, Value>();
  for (const input of graph.inputs) {
    copies.set(input, given.get(input.name) ?? into.addInput(input.name, input.type));
  }
  for (const value of graph.initializers()) {
    if (copies.has(value)) continue;
    const copy = weights.addInitializer(weights.freshName(value.name), value.initializer);
    weights.setType(copy, value.type);
    copies.set(value, copy);
  }
  const changes: CopyChanges = {
    nodeName: (name) => name,
    valueName: (name) => into.freshName(name),
    attribute: (attribute) => attribute,
    metadata: (node) => node.metadata,
  };
  for (const node of graph.nodes()) cloneNode(node, into, copies, changes);
  return new Map(
    graph.outputs.map((output) => {
      const copy = copies.get(output);
      if (copy === undefined) throw new RangeError(`${output.name} has no copy`);
      return [output.name, copy];
    }),
  );
}
