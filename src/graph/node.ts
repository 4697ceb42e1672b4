/** A node: one operator call. Only Graph methods mutate it. */
import type { Attribute, AttributeKind, AttributeValues, Int } from './attribute.ts';
import type { Graph } from './graph.ts';
import type { Value } from './value.ts';

const utf8 = new TextDecoder();

export class Node {
  readonly name: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly opType: string;
  readonly overload: string;
  /** null: an optional input that is left out. */
  readonly inputs: readonly (Value | null)[];
  /** null: an optional output that nobody asked for. */
  readonly outputs: readonly (Value | null)[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly graph: Graph;
  /** Survives decode and encode (metadata_props); provenance is kept here. */
  readonly metadata: Map<string, string> = new Map();
  carry?: unknown;

  /** @internal use Graph's methods */
  readonly prev: Node | undefined;
  /** @internal */
  readonly next: Node | undefined;

  /** @internal use Graph.addNode */
  constructor(graph: Graph, name: string, domain: string, opType: string, overload: string) {
    this.graph = graph;
    this.name = name;
    this.domain = domain;
    this.opType = opType;
    this.overload = overload;
    this.inputs = [];
    this.outputs = [];
    this.attributes = new Map();
    this.prev = undefined;
    this.next = undefined;
  }

  /** `MatMul`, `com.microsoft::MatMulNBits`. */
  get op(): string {
    return this.domain === '' ? this.opType : `${this.domain}::${this.opType}`;
  }

  input(index: number): Value | undefined {
    return this.inputs[index] ?? undefined;
  }

  /** The first output; throws when the node has none. */
  get output(): Value {
    const value = this.outputs[0];
    if (value === undefined || value === null) throw new RangeError(`node ${this.name} has no first output`);
    return value;
  }

  /** Beyond 2^53 the largest safe integer. */
  int(name: string): number | undefined {
    const value = this.#get(name, 'int');
    return value === undefined ? undefined : safe(value);
  }

  /** Beyond 2^53 the largest safe integers. */
  ints(name: string): readonly number[] | undefined {
    return this.#get(name, 'ints')?.map(safe);
  }

  float(name: string): number | undefined {
    return this.#get(name, 'float');
  }

  string(name: string): string | undefined {
    const value = this.#get(name, 'string');
    return value === undefined ? undefined : utf8.decode(value);
  }

  /** Graphs among the attributes, with the attribute's name. */
  *subgraphs(): Generator<readonly [string, Graph]> {
    for (const [name, attribute] of this.attributes) {
      if (attribute.kind === 'graph') yield [name, attribute.value];
      if (attribute.kind === 'graphs') for (const graph of attribute.value) yield [name, graph];
    }
  }

  #get<K extends AttributeKind>(name: string, kind: K): AttributeValues[K] | undefined {
    const attribute = this.attributes.get(name);
    if (attribute === undefined) return undefined;
    if (attribute.kind !== kind) {
      throw new TypeError(`attribute ${name} of ${this.name} is ${attribute.kind}, not ${kind}`);
    }
    return attribute.value as AttributeValues[K];
  }
}

/** Only the sign of larger ones matters to any reader: `ends` of Slice is often 2^63 - 1. */
function safe(value: Int): number {
  return Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}
