/**
 * Whether columns hold the same numbers, by where they come from: two columns with the same key do, whatever the inputs
 * of the graph are. Columns of constants are compared number by number where their bytes are in memory; `constants` gives
 * those of other constants (a table in a file), asked for by `wanted` after a first round.
 */
import type { Attribute } from '../graph/attribute.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Element, originOf } from './columns.ts';
import { constantTensor } from './constants.ts';

/** Steps followed back from a column; behind them a column is one of its own. */
const deepest = 64;

/** Attributes whose text says all. */
const plainKinds: ReadonlySet<string> = new Set(['int', 'ints', 'float', 'floats', 'string']);

export class ColumnIdentity {
  /** Constants whose bytes would be needed to tell. */
  readonly wanted = new Set<Tensor>();
  readonly #constants: ReadonlyMap<Tensor, Uint8Array>;
  readonly #known = new Map<Value, Map<string, number>>();
  readonly #interned = new Map<string, number>();
  readonly #objects = new Map<object, number>();

  constructor(constants: ReadonlyMap<Tensor, Uint8Array> = new Map()) {
    this.#constants = constants;
  }

  keyOf(element: Element): number {
    return this.#key(element, deepest);
  }

  #key(element: Element, depth: number): number {
    const { value, axes, column } = element;
    const own = this.#known.get(value) ?? new Map<string, number>();
    this.#known.set(value, own);
    const place = `${axes}:${column}`;
    const key = own.get(place) ?? this.#derive(element, depth);
    own.set(place, key);
    return key;
  }

  #derive(element: Element, depth: number): number {
    const { value, axes, column } = element;
    const tensor = constantTensor(value);
    if (tensor !== undefined) return this.#constantKey(tensor, element);
    const leaf = (): number => this.#intern(`${this.#id(value)}:${axes}:${column}`);
    if (depth === 0) return leaf();
    const origin = originOf(element);
    switch (origin.kind) {
      case 'same':
        return this.#key(origin.of, depth - 1);
      case 'rows':
        return this.#intern(
          `${this.#call(origin.node, 1)}#${value.outputIndex}/${axes}(${this.#key(origin.of, depth - 1)})`,
        );
      case 'computed':
        return this.#intern(
          `${this.#call(origin.node, origin.of.length)}(${origin.of.map((of) => this.#key(of, depth - 1))})`,
        );
      case 'unknown':
        return leaf();
    }
  }

  /** The operator, its attributes and the inputs after the first `data`. */
  #call(node: Node, data: number): string {
    const attributes = [...node.attributes].map(
      ([name, attribute]) => `${name}=${this.#attribute(attribute)}`,
    );
    const others = node.inputs.slice(data).map((input) => (input === null ? '' : this.#whole(input)));
    return `${node.op}{${attributes.sort()}}[${others}]`;
  }

  #attribute(attribute: Attribute): string {
    return plainKinds.has(attribute.kind) && 'value' in attribute
      ? String(attribute.value)
      : `${this.#id(attribute)}`;
  }

  /** A value as a whole: small constants by their bytes. */
  #whole(value: Value): string {
    const tensor = constantTensor(value);
    return tensor?.origin.kind === 'inline' && tensor.byteLength <= 64
      ? `${tensor.dtype}[${tensor.shape}]${[...tensor.origin.bytes]}`
      : `${this.#id(value)}`;
  }

  #constantKey(tensor: Tensor, { axes, column }: Element): number {
    const { origin, shape, dtype, byteLength } = tensor;
    const outer = shape.slice(0, shape.length - axes);
    const [rows, width] = [outer, shape.slice(shape.length - axes)].map((dims) =>
      dims.reduce((count, dim) => count * dim, 1),
    ) as [number, number];
    const size = byteLength / Math.max(rows * width, 1);
    const bytes = origin.kind === 'inline' ? origin.bytes : this.#constants.get(tensor);
    if (bytes === undefined) this.wanted.add(tensor);
    if (bytes === undefined || !Number.isInteger(size)) {
      return this.#intern(`${this.#id(tensor)}:${axes}:${column}`);
    }
    const own = new Uint8Array(rows * size);
    for (let row = 0; row < rows; row += 1) {
      const from = (row * width + column) * size;
      own.set(bytes.subarray(from, from + size), row * size);
    }
    const rowDims = outer.filter((dim) => dim !== 1);
    return this.#intern(`${dtype}[${rowDims}]${Buffer.from(own.buffer).toString('latin1')}`);
  }

  #intern(text: string): number {
    const key = this.#interned.get(text) ?? this.#interned.size;
    this.#interned.set(text, key);
    return key;
  }

  #id(object: object): number {
    const id = this.#objects.get(object) ?? this.#objects.size;
    this.#objects.set(object, id);
    return id;
  }
}
