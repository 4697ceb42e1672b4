/**
 * Attributes of nodes. Integers are int64 in the file: a number where it is safe, a bigint beyond 2^53.
 * Strings are byte strings, which need not be UTF-8.
 */
import type { Tensor } from '../tensor/tensor.ts';
import type { Graph } from './graph.ts';
import type { ValueType } from './types.ts';

export type Int = number | bigint;

/** Values at listed places, zero elsewhere. `indices` is int64 [nnz] (linear) or [nnz, rank]. */
export interface SparseTensor {
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly shape: readonly number[];
}

export interface AttributeValues {
  float: number;
  int: Int;
  string: Uint8Array;
  tensor: Tensor;
  graph: Graph;
  'sparse-tensor': SparseTensor;
  type: ValueType;
  floats: readonly number[];
  ints: readonly Int[];
  strings: readonly Uint8Array[];
  tensors: readonly Tensor[];
  graphs: readonly Graph[];
  'sparse-tensors': readonly SparseTensor[];
  types: readonly ValueType[];
}

export type AttributeKind = keyof AttributeValues;

/** Carried for the format that decoded the graph (unknown fields, doc strings); passes never look inside. */
export interface Carried {
  readonly carry?: unknown;
}

export type Attribute =
  | {
      [K in AttributeKind]: { readonly kind: K; readonly value: AttributeValues[K] } & Carried;
    }[AttributeKind]
  /** Inside a function body: takes the value of the function's attribute `ref`. */
  | ({ readonly kind: 'ref'; readonly ref: string; readonly of: AttributeKind } & Carried);

const utf8 = new TextEncoder();

/** What builders accept for an attribute; see `toAttribute`. */
export type AttributeLike = Attribute | Int | string | readonly Int[] | readonly string[];

/** Integers, strings and lists of them become attributes; floats need the explicit form `float(x)`. */
export function toAttribute(value: AttributeLike): Attribute {
  if (typeof value === 'string') return { kind: 'string', value: utf8.encode(value) };
  if (typeof value === 'bigint') return { kind: 'int', value };
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw new TypeError(`${value} is not an integer: write float(${value})`);
    return { kind: 'int', value };
  }
  if ('kind' in value) return value;
  if (value.length > 0 && typeof value[0] === 'string') {
    return { kind: 'strings', value: (value as readonly string[]).map((text) => utf8.encode(text)) };
  }
  return { kind: 'ints', value: value as readonly Int[] };
}

/** A float attribute; the value is stored as float32. */
export function float(value: number): Attribute {
  return { kind: 'float', value: Math.fround(value) };
}

export function floats(value: readonly number[]): Attribute {
  return { kind: 'floats', value: value.map(Math.fround) };
}
