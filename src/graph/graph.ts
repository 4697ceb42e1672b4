/**
 * A graph: inputs, outputs, initializers and nodes in execution order. Values know their producer and uses;
 * only the methods here change that, and each validates everything before it mutates anything.
 *
 * A subgraph (`parent` set) may read values of the graphs around it: those reads are in the values' uses too.
 */
import type { Tensor } from '../tensor/tensor.ts';
import { type Attribute, type AttributeLike, type SparseTensor, toAttribute } from './attribute.ts';
import { FreshNames } from './names.ts';
import { Node } from './node.ts';
import type { NodeSpec, OutputSpec } from './node-spec.ts';
import { tensorType, type ValueType } from './types.ts';
import { type Use, Value } from './value.ts';

/** Lets Graph write what everybody else reads. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const mutable = <T>(object: T): Mutable<T> => object as Mutable<T>;

export class Graph {
  name: string;
  readonly parent: Graph | undefined;
  docString = '';
  readonly metadata: Map<string, string> = new Map();
  /** By the name of their value; kept as they are, no pass works on them. */
  readonly sparseInitializers: Map<string, SparseTensor> = new Map();
  carry?: unknown;

  #inputs: Value[] = [];
  #outputs: Value[] = [];
  readonly #values = new Map<string, Value>();
  readonly #nodeNames = new Set<string>();
  #first: Node | undefined;
  #last: Node | undefined;
  readonly #members = new Set<Node>();
  readonly #fresh = new FreshNames();
  /** How often each value name occurs in the tree of graphs that this one is in; one map per tree. */
  readonly #treeNames: Map<string, number>;

  constructor(name: string, parent?: Graph) {
    this.name = name;
    this.parent = parent;
    this.#treeNames = parent === undefined ? new Map() : parent.#treeNames;
  }

  get inputs(): readonly Value[] {
    return this.#inputs;
  }

  get outputs(): readonly Value[] {
    return this.#outputs;
  }

  get nodeCount(): number {
    return this.#members.size;
  }

  /** The nodes in order, as they stand at the call; those removed before their turn are left out. */
  *nodes(): Generator<Node> {
    const snapshot: Node[] = [];
    for (let node = this.#first; node !== undefined; node = node.next) snapshot.push(node);
    for (const node of snapshot) if (this.#members.has(node)) yield node;
  }

  /** Own values: inputs, initializers, node outputs. */
  values(): IterableIterator<Value> {
    return this.#values.values();
  }

  *initializers(): Generator<Value & { readonly initializer: Tensor }> {
    for (const value of this.#values.values()) {
      if (value.initializer !== undefined) yield value as Value & { readonly initializer: Tensor };
    }
  }

  /** Looks a name up in this graph only. */
  value(name: string): Value | undefined {
    return this.#values.get(name);
  }

  /** Looks a name up here and in the enclosing graphs. */
  lookup(name: string): Value | undefined {
    return this.#values.get(name) ?? this.parent?.lookup(name);
  }

  /** A value name that is free here, in the enclosing graphs and in all bodies: `base`, `base_1`, … */
  freshName(base: string): string {
    return this.#fresh.pick(base, (name) => this.#treeNames.has(name));
  }

  // --- inputs, outputs, initializers

  addInput(name: string, type: ValueType | undefined): Value {
    const value = this.#newValue(name, type);
    this.#inputs.push(value);
    return value;
  }

  /** Replaces the list of outputs; every value must be this graph's own (a body gives an outer one by Identity). */
  setOutputs(values: readonly Value[]): void {
    for (const value of values) this.#owns(value);
    this.#outputs = [...values];
  }

  /** Removes an input that nothing reads. */
  removeInput(value: Value): void {
    if (!this.#inputs.includes(value)) throw new RangeError(`${value.name} is not an input of ${this.name}`);
    if (value.uses.size > 0 || this.#outputs.includes(value))
      throw new RangeError(`input ${value.name} is in use`);
    this.#inputs = this.#inputs.filter((input) => input !== value);
    if (value.initializer === undefined) this.#forget(value);
  }

  /** A new constant. `name` must be free; take `freshName` when it need not be kept. */
  addInitializer(name: string, tensor: Tensor): Value {
    const value = this.#newValue(name, tensorType(tensor.dtype, tensor.shape));
    mutable(value).initializer = tensor;
    return value;
  }

  /** A constant that stays sparse in the file; operators see it dense. */
  addSparseInitializer(name: string, tensor: SparseTensor): Value {
    const value = this.#newValue(name, tensorType(tensor.values.dtype, tensor.shape));
    this.sparseInitializers.set(name, tensor);
    return value;
  }

  /** Gives a value another constant (a derived weight), or makes an input a default. */
  setInitializer(value: Value, tensor: Tensor): void {
    this.#owns(value);
    if (value.producer !== undefined) throw new RangeError(`${value.name} is made by a node`);
    mutable(value).initializer = tensor;
    mutable(value).type = tensorType(tensor.dtype, tensor.shape);
  }

  /** Removes a constant that nothing reads, or the default of an input. */
  removeInitializer(value: Value): void {
    this.#owns(value);
    if (value.initializer === undefined) throw new RangeError(`${value.name} is not an initializer`);
    const isInput = this.#inputs.includes(value);
    if (!isInput && (value.uses.size > 0 || this.#outputs.includes(value))) {
      throw new RangeError(`${value.name} is in use`);
    }
    mutable(value).initializer = undefined;
    if (!isInput) this.#forget(value);
  }

  setType(value: Value, type: ValueType | undefined): void {
    this.#owns(value);
    mutable(value).type = type;
  }

  renameValue(value: Value, name: string): void {
    this.#owns(value);
    if (value.name === name) return;
    if (this.lookup(name) !== undefined) throw new RangeError(`the name ${name} is taken`);
    if (name === '') throw new RangeError('a value needs a name');
    const sparse = this.sparseInitializers.get(value.name);
    if (sparse !== undefined) {
      this.sparseInitializers.delete(value.name);
      this.sparseInitializers.set(name, sparse);
    }
    this.#forget(value);
    mutable(value).name = name;
    this.#remember(value);
  }

  // --- nodes

  /** Adds a node at the end, or before `before`. */
  addNode(spec: NodeSpec, before?: Node): Node {
    if (before !== undefined) this.#holds(before);
    for (const input of spec.inputs) {
      if (input !== null && !this.#sees(input)) {
        throw new RangeError(`${input.name} is not visible in graph ${this.name}`);
      }
    }
    const specs: readonly (OutputSpec | null)[] =
      typeof spec.outputs === 'number'
        ? Array.from({ length: spec.outputs }, () => ({}))
        : (spec.outputs ?? [{}]);
    const named = specs.flatMap((output) => (output?.name === undefined ? [] : [output.name]));
    for (const name of named) {
      if (this.lookup(name) !== undefined) throw new RangeError(`the name ${name} is taken`);
    }
    if (new Set(named).size !== named.length) throw new RangeError(`outputs of ${spec.op} share a name`);

    const attributes = new Map<string, Attribute>();
    for (const [key, value] of Object.entries(spec.attributes ?? {})) {
      const attribute = toAttribute(value);
      this.#checkBodies(attribute);
      attributes.set(key, attribute);
    }
    if (named.includes('')) throw new RangeError(`an output of ${spec.op} has an empty name`);

    const name = this.#freshNodeName(spec.name ?? spec.op);
    const node = new Node(this, name, spec.domain ?? '', spec.op, spec.overload ?? '');
    mutable(node).attributes = attributes;
    for (const [key, value] of spec.metadata ?? []) node.metadata.set(key, value);
    mutable(node).inputs = [...spec.inputs];
    for (const [index, input] of spec.inputs.entries()) this.#addUse(input, node, index);
    mutable(node).outputs = specs.map((output, index) =>
      output === null
        ? null
        : this.#newValue(output.name ?? this.#freshOutput(name, index, named), output.type, node, index),
    );
    this.#link(node, before);
    return node;
  }

  /** Removes a node whose outputs nobody reads. */
  removeNode(node: Node): void {
    this.#holds(node);
    for (const output of node.outputs) {
      if (output === null) continue;
      if (output.uses.size > 0) throw new RangeError(`output ${output.name} of ${node.name} is in use`);
      if (this.#outputs.includes(output))
        throw new RangeError(`${output.name} of ${node.name} is a graph output`);
    }
    for (const [index, input] of node.inputs.entries()) this.#dropUse(input, node, index);
    for (const [, graph] of node.subgraphs()) graph.release();
    for (const output of node.outputs) if (output !== null) this.#forget(output);
    this.#nodeNames.delete(node.name);
    this.#unlink(node);
  }

  setInput(node: Node, index: number, value: Value | null): void {
    this.#holds(node);
    if (index < 0 || index > node.inputs.length) throw new RangeError(`${node.name} has no input ${index}`);
    if (value !== null && !this.#sees(value))
      throw new RangeError(`${value.name} is not visible in ${this.name}`);
    this.#dropUse(node.inputs[index] ?? null, node, index);
    const inputs = [...node.inputs];
    inputs[index] = value;
    mutable(node).inputs = inputs;
    this.#addUse(value, node, index);
  }

  /** Sets an attribute, or removes it; a body that goes away drops what it reads. */
  setAttribute(node: Node, name: string, value: AttributeLike | undefined): void {
    this.#holds(node);
    const attribute = value === undefined ? undefined : toAttribute(value);
    if (attribute !== undefined) this.#checkBodies(attribute);
    const kept = new Set(attribute === undefined ? [] : bodiesOf(attribute));
    const before = node.attributes.get(name);
    for (const graph of before === undefined ? [] : bodiesOf(before)) if (!kept.has(graph)) graph.release();
    const attributes = new Map(node.attributes);
    if (attribute === undefined) attributes.delete(name);
    else attributes.set(name, attribute);
    mutable(node).attributes = attributes;
  }

  /** Moves a node directly before another one of the same graph. */
  moveBefore(node: Node, before: Node): void {
    this.#holds(node);
    this.#holds(before);
    if (node === before) return;
    this.#unlink(node);
    this.#link(node, before);
  }

  /**
   * Every read of `from` (in subgraphs and among this graph's outputs too) reads `to` instead.
   * A graph output keeps its name: `to` takes it over when it can.
   */
  replaceAllUses(from: Value, to: Value): void {
    this.#owns(from);
    if (!this.#sees(to)) throw new RangeError(`${to.name} is not visible in ${this.name}`);
    if (from === to) return;
    const isOutput = this.#outputs.includes(from);
    const canTakeName = to.graph === this && !this.#inputs.includes(to) && !this.#outputs.includes(to);
    if (isOutput && (!canTakeName || this.#inputs.includes(from))) {
      throw new RangeError(`output ${from.name} cannot be replaced by ${to.name}: insert an Identity`);
    }
    for (const { node, index } of [...from.uses]) node.graph.setInput(node, index, to);
    if (!isOutput) return;
    const name = from.name;
    this.#outputs = this.#outputs.map((output) => (output === from ? to : output));
    this.renameValue(from, this.freshName(`${name}_replaced`));
    this.renameValue(to, name);
  }

  /**
   * Drops the reads that this graph's nodes make of values outside it, and its names.
   * @internal called when the node that holds it goes away
   */
  release(): void {
    for (const node of this.nodes()) {
      for (const [index, input] of node.inputs.entries()) {
        if (input !== null && input.graph !== this) this.#dropUse(input, node, index);
      }
      for (const [, graph] of node.subgraphs()) graph.release();
    }
    for (const value of this.#values.values()) this.#dropName(value.name);
  }

  // --- internals

  #newValue(name: string, type: ValueType | undefined, producer?: Node, index = 0): Value {
    if (name === '') throw new RangeError('a value needs a name');
    if (this.#values.has(name)) throw new RangeError(`the name ${name} is taken in graph ${this.name}`);
    const value = new Value(this, name, type, producer, index);
    this.#remember(value);
    return value;
  }

  #remember(value: Value): void {
    this.#values.set(value.name, value);
    this.#treeNames.set(value.name, (this.#treeNames.get(value.name) ?? 0) + 1);
  }

  #forget(value: Value): void {
    this.#values.delete(value.name);
    this.#dropName(value.name);
  }

  #dropName(name: string): void {
    const count = this.#treeNames.get(name) ?? 0;
    if (count > 1) this.#treeNames.set(name, count - 1);
    else this.#treeNames.delete(name);
  }

  #holds(node: Node): void {
    if (!this.#members.has(node)) throw new RangeError(`${node.name} is not in ${this.name}`);
  }

  #checkBodies(attribute: Attribute): void {
    for (const graph of bodiesOf(attribute)) {
      if (graph.parent !== this) throw new RangeError(`${graph.name} is not a subgraph of ${this.name}`);
    }
  }

  #freshOutput(node: string, index: number, reserved: readonly string[]): string {
    let name = this.freshName(`${node}_out${index}`);
    while (reserved.includes(name)) name = this.freshName(`${name}_`);
    return name;
  }

  #owns(value: Value): void {
    if (value.graph !== this || this.#values.get(value.name) !== value) {
      throw new RangeError(`${value.name} is not a value of graph ${this.name}`);
    }
  }

  #sees(value: Value): boolean {
    for (let graph: Graph | undefined = this; graph !== undefined; graph = graph.parent) {
      if (value.graph === graph) return graph.value(value.name) === value;
    }
    return false;
  }

  #addUse(value: Value | null, node: Node, index: number): void {
    if (value !== null) (value.uses as Set<Use>).add({ node, index });
  }

  #dropUse(value: Value | null, node: Node, index: number): void {
    if (value === null) return;
    for (const use of value.uses) {
      if (use.node === node && use.index === index) {
        (value.uses as Set<Use>).delete(use);
        return;
      }
    }
  }

  #freshNodeName(base: string): string {
    const name = this.#fresh.pick(base, (candidate) => this.#nodeNames.has(candidate));
    this.#nodeNames.add(name);
    return name;
  }

  #link(node: Node, before: Node | undefined): void {
    const next = before;
    const prev = before === undefined ? this.#last : before.prev;
    mutable(node).prev = prev;
    mutable(node).next = next;
    if (prev === undefined) this.#first = node;
    else mutable(prev).next = node;
    if (next === undefined) this.#last = node;
    else mutable(next).prev = node;
    this.#members.add(node);
  }

  #unlink(node: Node): void {
    if (node.prev === undefined) this.#first = node.next;
    else mutable(node.prev).next = node.next;
    if (node.next === undefined) this.#last = node.prev;
    else mutable(node.next).prev = node.prev;
    this.#members.delete(node);
  }
}

function bodiesOf(attribute: Attribute): readonly Graph[] {
  if (attribute.kind === 'graph') return [attribute.value];
  return attribute.kind === 'graphs' ? attribute.value : [];
}
