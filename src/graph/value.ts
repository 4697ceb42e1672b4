/** A value of a graph: an input, an initializer or the output of a node. Only Graph methods mutate it. */
import type { DType } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Graph } from './graph.ts';
import type { Node } from './node.ts';
import type { Dim, ValueType } from './types.ts';

/** One place where a value is read: input `index` of `node` (which may stand in a subgraph). */
export interface Use {
  readonly node: Node;
  readonly index: number;
}

export class Value {
  /** Unique in its graph and not equal to a visible name of an enclosing graph. */
  readonly name: string;
  readonly type: ValueType | undefined;
  /** The graph that owns the value. */
  readonly graph: Graph;
  /** The node that makes it; undefined for inputs and initializers. */
  readonly producer: Node | undefined;
  /** Which output of the producer it is. */
  readonly outputIndex: number;
  /** The constant it holds; a value may be both graph input and initializer (a default, IR 3). */
  readonly initializer: Tensor | undefined;
  readonly uses: ReadonlySet<Use>;
  /** Free text that survives decode and encode (metadata_props). */
  readonly metadata: Map<string, string> = new Map();
  carry?: unknown;

  /** @internal use Graph's methods */
  constructor(graph: Graph, name: string, type: ValueType | undefined, producer?: Node, outputIndex = 0) {
    this.graph = graph;
    this.name = name;
    this.type = type;
    this.producer = producer;
    this.outputIndex = outputIndex;
    this.initializer = undefined;
    this.uses = new Set();
  }

  get isInput(): boolean {
    return this.graph.inputs.includes(this);
  }

  get isOutput(): boolean {
    return this.graph.outputs.includes(this);
  }

  /** The nodes that read it, each once. */
  consumers(): Node[] {
    return [...new Set([...this.uses].map((use) => use.node))];
  }
}

/** The dimensions of a tensor; undefined where even their number is not known. */
export function dimsOf(value: Value | null | undefined): readonly Dim[] | undefined {
  return value?.type?.kind === 'tensor' ? value.type.shape : undefined;
}

/** The type of a tensor's elements; undefined where it is not known. */
export function dtypeOf(value: Value | null | undefined): DType | undefined {
  return value?.type?.kind === 'tensor' ? value.type.dtype : undefined;
}
