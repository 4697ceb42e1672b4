/**
 * Deep copies of models: graphs, nodes and values are new, tensors and carried data are shared. Copies of single nodes
 * may be changed on the way.
 */
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

/** What a copy takes on the way. */
export interface CopyChanges {
  /** The name of the copy of a node. */
  nodeName(name: string): string;
  /** The name of the copy of a value, in bodies too. */
  valueName(name: string): string;
  /** Undefined: the copy has no such attribute. */
  attribute(attribute: Attribute): Attribute | undefined;
  /** Of the copy of a node, in bodies too. */
  metadata(node: Node): Iterable<readonly [string, string]>;
}

const unchanged: CopyChanges = {
  nodeName: (name) => name,
  valueName: (name) => name,
  attribute: (attribute) => attribute,
  metadata: (node) => node.metadata,
};

/** Values to their copies; null: whoever reads the value gets nothing. */
export type Copies = Map<Value, Value | null>;

/** `copies` maps the values of the enclosing graphs to their copies. */
function cloneGraph(
  graph: Graph,
  parent: Graph | undefined,
  copies: Copies,
  changes: CopyChanges = unchanged,
): Graph {
  const { valueName } = changes;
  const copy = new Graph(graph.name, parent);
  copy.docString = graph.docString;
  copyInto(graph.metadata, copy.metadata);
  copyCarry(graph, copy);
  for (const input of graph.inputs) {
    copyValue(input, copy.addInput(valueName(input.name), input.type), copies);
  }
  for (const value of graph.initializers()) {
    const { initializer, name, type } = value;
    const made = copies.get(value) ?? copy.addInitializer(valueName(name), initializer);
    copy.setInitializer(made, initializer);
    copy.setType(made, type);
    copyValue(value, made, copies);
  }
  for (const [name, sparse] of graph.sparseInitializers) {
    const made = copy.addSparseInitializer(valueName(name), sparse);
    const value = graph.value(name);
    if (value !== undefined) copyValue(value, made, copies);
  }
  for (const node of graph.nodes()) cloneNode(node, copy, copies, changes);
  copy.setOutputs(
    graph.outputs.map((output) => {
      const made = mapped(output, copies);
      if (made === null) throw new RangeError(`output ${output.name} has no copy`);
      return made;
    }),
  );
  return copy;
}

/**
 * Copies a node to the end of a graph, or before another one. Throws a RangeError where a value that it reads has no
 * copy yet.
 */
export function cloneNode(
  node: Node,
  into: Graph,
  copies: Copies,
  changes: CopyChanges = unchanged,
  before?: Node,
): Node {
  const copy = into.addNode(
    {
      op: node.opType,
      domain: node.domain,
      overload: node.overload,
      name: changes.nodeName(node.name),
      inputs: node.inputs.map((input) => (input === null ? null : mapped(input, copies))),
      outputs: node.outputs.map((output) =>
        output === null ? null : { name: changes.valueName(output.name), type: output.type },
      ),
      attributes: Object.fromEntries(
        [...node.attributes].flatMap(([name, attribute]) => {
          const changed = changes.attribute(attribute);
          return changed === undefined ? [] : [[name, cloneAttribute(changed, into, copies, changes)]];
        }),
      ),
      metadata: changes.metadata(node),
    },
    before,
  );
  copyCarry(node, copy);
  for (const [index, output] of node.outputs.entries()) {
    const made = copy.outputs[index];
    if (output !== null && made !== null && made !== undefined) copyValue(output, made, copies);
  }
  return copy;
}

function cloneAttribute(
  attribute: Attribute,
  parent: Graph,
  copies: Copies,
  changes: CopyChanges,
): Attribute {
  const clone = (graph: Graph): Graph => cloneGraph(graph, parent, copies, changes);
  switch (attribute.kind) {
    case 'graph':
      return { ...attribute, value: clone(attribute.value) };
    case 'graphs':
      return { ...attribute, value: attribute.value.map(clone) };
    default:
      return attribute;
  }
}

function copyValue(from: Value, to: Value, copies: Copies): void {
  copyInto(from.metadata, to.metadata);
  copyCarry(from, to);
  copies.set(from, to);
}

function mapped(value: Value, copies: ReadonlyMap<Value, Value | null>): Value | null {
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
