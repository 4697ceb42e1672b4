/**
 * What a rewrite may do to a graph: insert nodes before the root of its match, add constants and replace
 * values. Every node that it inserts says which nodes it came from (metadata `vlm-convert.from`) and keeps the
 * scope of the root (`vlm-convert.scope`).
 */
import type { AttributeLike } from '../graph/attribute.ts';
import type { TypeInference } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import type { OutputSpec } from '../graph/node-spec.ts';
import type { Value } from '../graph/value.ts';
import { inlineTensor, type Tensor } from '../tensor/tensor.ts';

export const metadataKeys = {
  /** Names of the nodes of the plain graph that a node came from, separated by spaces. */
  from: 'vlm-convert.from',
  /** The module that a node belongs to, as the architecture names it. */
  scope: 'vlm-convert.scope',
  /** `float32`: the node is part of a computation that no pass may run in another precision. */
  precision: 'vlm-convert.precision',
  /** What a node and those before it compute, where that was recognised and stays spelled out: see passes/census.ts. */
  means: 'vlm-convert.means',
  /** The same as an architecture says it of its own spelling: what passes have to find (passes/expected-meanings.ts). */
  calls: 'vlm-convert.calls',
} as const;

/** Names kept per node; a fusion of more nodes is named by its first ones. */
export const mostSources = 24;

export interface NewNode {
  readonly domain?: string;
  readonly name?: string;
  readonly attributes?: Readonly<Record<string, AttributeLike>>;
  /** Extra metadata, over what the rewriter writes itself. */
  readonly metadata?: Iterable<readonly [string, string]>;
}

export class Rewriter {
  readonly graph: Graph;
  readonly root: Node;
  readonly #infer: TypeInference;
  readonly #metadata: readonly (readonly [string, string])[];
  /** What names of new nodes and constants start with. */
  readonly #prefix: string;
  readonly #created: Node[] = [];
  readonly #disturbed = new Set<Node>();

  /** `sources`: the nodes whose work the new nodes take over. */
  constructor(root: Node, sources: readonly Node[], infer: TypeInference) {
    this.graph = root.graph;
    this.root = root;
    this.#infer = infer;
    const from = new Set(
      sources.flatMap((node) => node.metadata.get(metadataKeys.from)?.split(' ') ?? [node.name]),
    );
    const scope = root.metadata.get(metadataKeys.scope);
    const precision = root.metadata.get(metadataKeys.precision);
    this.#prefix = scope ?? root.name;
    this.#metadata = [
      [metadataKeys.from, [...from].slice(0, mostSources).join(' ')],
      ...(scope === undefined ? [] : [[metadataKeys.scope, scope] as const]),
      ...(precision === undefined ? [] : [[metadataKeys.precision, precision] as const]),
    ];
  }

  get created(): readonly Node[] {
    return this.#created;
  }

  /** Nodes whose inputs changed. */
  get disturbed(): ReadonlySet<Node> {
    return this.#disturbed;
  }

  /** A new node with one output, before the root. */
  op(opType: string, inputs: readonly (Value | null)[], options: NewNode = {}): Value {
    return this.node(opType, inputs, [{}], options).output;
  }

  /** A new node with the outputs asked for (null = left out), before the root. */
  node(
    opType: string,
    inputs: readonly (Value | null)[],
    outputs: readonly (OutputSpec | null)[],
    options: NewNode = {},
  ): Node {
    const name = options.name ?? `${this.#prefix}/${opType}`;
    const node = this.graph.addNode(
      {
        op: opType,
        inputs: trimmed(inputs),
        name,
        outputs: outputs.map((output, index) =>
          output === null
            ? null
            : { name: this.graph.freshName(`${name}_out${outputs.length === 1 ? '' : index}`), ...output },
        ),
        ...(options.domain === undefined ? {} : { domain: options.domain }),
        ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
        metadata: [...this.#metadata, ...(options.metadata ?? [])],
      },
      this.root,
    );
    this.#infer(this.graph, node);
    this.#created.push(node);
    return node;
  }

  /** A new constant, named after `name` when that is free. */
  constant(name: string, tensor: Tensor): Value {
    return this.graph.addInitializer(this.graph.freshName(name), tensor);
  }

  int64(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    const data = BigInt64Array.from(values, (value) => BigInt(value));
    return this.constant(
      `${this.#prefix}/const_i64`,
      inlineTensor('int64', shape, new Uint8Array(data.buffer)),
    );
  }

  /** Every reader of `from` reads `to`. A graph output keeps its name and its declared type. */
  replace(from: Value, to: Value): void {
    for (const node of from.consumers()) this.#disturbed.add(node);
    if (!from.isOutput) {
      from.graph.replaceAllUses(from, to);
      return;
    }
    // An input, or a value that is an output already, cannot take over the name of the output `from`.
    const taken = to.isInput || to.isOutput || to.initializer !== undefined || to.graph !== from.graph;
    const output = taken ? this.op('Identity', [to]) : to;
    const { type } = from;
    from.graph.replaceAllUses(from, output);
    if (type !== undefined) output.graph.setType(output, type);
  }
}

/** Optional inputs at the end are not written down. */
function trimmed(inputs: readonly (Value | null)[]): readonly (Value | null)[] {
  let length = inputs.length;
  while (length > 0 && inputs[length - 1] === null) length -= 1;
  return inputs.slice(0, length);
}
