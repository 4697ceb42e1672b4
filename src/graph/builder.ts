/**
 * Builds graphs operator by operator. Types are inferred as nodes are added, so a builder can ask for the shape
 * of what it has just made, and a wrong shape is met at the line that made it.
 */
import { inlineTensor, type Tensor } from '../tensor/tensor.ts';
import type { AttributeLike } from './attribute.ts';
import { Graph } from './graph.ts';
import type { ValueType } from './types.ts';
import type { Value } from './value.ts';

export interface OpOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeLike>>;
  /** Name of the node and, with one output, of its value; a fresh one is derived when left out. */
  readonly name?: string;
  /** Beside the scope, which the builder writes. */
  readonly metadata?: Iterable<readonly [string, string]>;
}

/** Adds the output types of a node that was just added. */
export type TypeInference = (graph: Graph, node: import('./node.ts').Node) => void;

export class GraphBuilder {
  readonly graph: Graph;
  readonly #infer: TypeInference;
  readonly #constants = new Map<string, Value>();
  #scope = '';

  /** Builds a new graph of this name, or goes on with one that is there. */
  constructor(graph: string | Graph, infer: TypeInference) {
    this.graph = typeof graph === 'string' ? new Graph(graph) : graph;
    this.#infer = infer;
  }

  /** Runs `body` with names prefixed by `name` and a slash; scopes nest. */
  scope<T>(name: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === '' ? name : `${outer}/${name}`;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  input(name: string, type: ValueType): Value {
    return this.graph.addInput(name, type);
  }

  /** Makes `value` a graph output under `name`. */
  output(name: string, value: Value): void {
    const named = value.producer === undefined || value.isOutput ? this.op('Identity', [value]) : value;
    this.graph.renameValue(named, name);
    this.graph.setOutputs([...this.graph.outputs, named]);
  }

  /** A node with one output. */
  op(opType: string, inputs: readonly (Value | null)[], options: OpOptions = {}): Value {
    const [value] = this.ops(opType, inputs, 1, options);
    if (value === undefined) throw new RangeError(`${opType} made no output`);
    return value;
  }

  /** A node with several outputs. */
  ops(opType: string, inputs: readonly (Value | null)[], outputs: number, options: OpOptions = {}): Value[] {
    const name = this.#scoped(options.name ?? opType);
    const node = this.graph.addNode({
      op: opType,
      inputs,
      name,
      outputs: Array.from({ length: outputs }, (_, index) => ({
        name: this.graph.freshName(outputs === 1 ? `${name}_out` : `${name}_out${index}`),
      })),
      ...(options.domain === undefined ? {} : { domain: options.domain }),
      ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
      metadata: [
        ...(this.#scope === '' ? [] : [['vlm-convert.scope', this.#scope] as const]),
        ...(options.metadata ?? []),
      ],
    });
    this.#infer(this.graph, node);
    return node.outputs.map((output) => {
      if (output === null) throw new RangeError(`${opType} left an output out`);
      return output;
    });
  }

  /** An initializer under the checkpoint's own name (not scoped); one value per name. */
  weight(name: string, tensor: Tensor): Value {
    const known = this.graph.value(name);
    if (known?.initializer === tensor) return known;
    return this.graph.addInitializer(this.graph.freshName(name), tensor);
  }

  int64(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    return this.#constant('i64', values, shape, () => {
      const data = BigInt64Array.from(values, (value) => BigInt(value));
      return inlineTensor('int64', shape, new Uint8Array(data.buffer));
    });
  }

  float32(values: readonly number[] | Float32Array, shape: readonly number[] = [values.length]): Value {
    const data = Float32Array.from(values);
    return this.#constant('f32', [...data], shape, () =>
      inlineTensor('float32', shape, new Uint8Array(data.buffer)),
    );
  }

  /** A float32 scalar (shape []). */
  scalar(value: number): Value {
    return this.float32([value], []);
  }

  /** Small equal constants are shared. */
  #constant(kind: string, values: readonly number[], shape: readonly number[], make: () => Tensor): Value {
    const small = values.length <= 16;
    const key = small
      ? `${kind}[${shape}]:${values.map((value) => (Object.is(value, -0) ? '-0' : value))}`
      : '';
    const known = small ? this.#constants.get(key) : undefined;
    if (known !== undefined) return known;
    const value = this.graph.addInitializer(this.graph.freshName(this.#scoped(`const_${kind}`)), make());
    if (small) this.#constants.set(key, value);
    return value;
  }

  #scoped(name: string): string {
    return this.#scope === '' ? name : `${this.#scope}/${name}`;
  }
}
