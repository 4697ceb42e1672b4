/** Deep copies of models: graphs, nodes and values are new, tensors and carried data are shared. */
import type { Attribute } from './attribute.ts';
import { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import type { Value } from './value.ts';

export function cloneModel(model: Model): Model {
  return {
    ...model,
    opsetImports: new Map(model.opsetImports),
    metadata: new Map(model.metadata),
    graph: cloneGraph(model.graph, undefined, new Map()),
    functions: model.functions.map((each) => ({
      ...each,
      opsetImports: new Map(each.opsetImports),
      body: cloneGraph(each.body, undefined, new Map()),
    })),
  };
}

/** `copies` maps the values of the enclosing graphs to their copies. */
function cloneGraph(graph: Graph, parent: Graph | undefined, copies: Map<Value, Value>): Graph {
  const copy = new Graph(graph.name, parent);
  copy.docString = graph.docString;
  copyInto(graph.metadata, copy.metadata);
  copyCarry(graph, copy);
  for (const input of graph.inputs) copyValue(input, copy.addInput(input.name, input.type), copies);
  for (const value of graph.initializers()) {
    const { initializer, name, type } = value;
    const made = copies.get(value) ?? copy.addInitializer(name, initializer);
    copy.setInitializer(made, initializer);
    copy.setType(made, type);
    copyValue(value, made, copies);
  }
  for (const [name, sparse] of graph.sparseInitializers) {
    const made = copy.addSparseInitializer(name, sparse);
    const value = graph.value(name);
    if (value !== undefined) copyValue(value, made, copies);
  }
  for (const node of graph.nodes()) cloneNode(node, copy, copies);
  copy.setOutputs(graph.outputs.map((output) => mapped(output, copies)));
  return copy;
}

/** Copies a node to the end of a graph. Throws a RangeError where a value that it reads has no copy yet. */
export function cloneNode(node: Node, into: Graph, copies: Map<Value, Value>): void {
  const copy = into.addNode({
    op: node.opType,
    domain: node.domain,
    overload: node.overload,
    name: node.name,
    inputs: node.inputs.map((input) => (input === null ? null : mapped(input, copies))),
    outputs: node.outputs.map((output) =>
      output === null ? null : { name: output.name, type: output.type },
    ),
    attributes: Object.fromEntries(
      [...node.attributes].map(([name, attribute]) => [name, cloneAttribute(attribute, into, copies)]),
    ),
    metadata: node.metadata,
  });
  copyCarry(node, copy);
  for (const [index, output] of node.outputs.entries()) {
    const made = copy.outputs[index];
    if (output !== null && made !== null && made !== undefined) copyValue(output, made, copies);
  }
}

function cloneAttribute(attribute: Attribute, parent: Graph, copies: Map<Value, Value>): Attribute {
  switch (attribute.kind) {
    case 'graph':
      return { ...attribute, value: cloneGraph(attribute.value, parent, copies) };
    case 'graphs':
      return { ...attribute, value: attribute.value.map((graph) => cloneGraph(graph, parent, copies)) };
    default:
      return attribute;
  }
}

function copyValue(from: Value, to: Value, copies: Map<Value, Value>): void {
  copyInto(from.metadata, to.metadata);
  copyCarry(from, to);
  copies.set(from, to);
}

function mapped(value: Value, copies: ReadonlyMap<Value, Value>): Value {
  const copy = copies.get(value);
  if (copy === undefined) throw new RangeError(`${value.name} is read before it is made`);
  return copy;
}

function copyInto<K, V>(from: ReadonlyMap<K, V>, to: Map<K, V>): void {
  for (const [key, value] of from) to.set(key, value);
}

function copyCarry(from: { readonly carry?: unknown }, to: { carry?: unknown }): void {
  if (from.carry !== undefined) to.carry = from.carry;
}
