/**
 * Integers of any rank that count: value[i, j, …] = offset + i * step[0] + j * step[1] + …, with symbolic offset and
 * steps. So are the indices that exporters make of Range, Unsqueeze, Expand, Mul and Add.
 */

import { elementCount } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Dim, ValueType } from '../types.ts';
import type { Value } from '../value.ts';
import type { IntEvaluator } from './data.ts';
import { addDims, isNonNegative, multiplyDims, sameDim, subtractDims } from './dims.ts';

export interface AffineIntegers {
  readonly dims: readonly Dim[];
  readonly offset: Dim;
  /** Of each axis; 0 along those of 1. */
  readonly steps: readonly Dim[];
}

/** A chain of more steps than this is not followed. */
const maxDepth = 64;
/** Larger constants are tables. */
const maxElements = 1 << 16;

/** Remembers what it found, like the IntEvaluator that it asks for sizes. */
export class AffineEvaluator {
  readonly #integers: IntEvaluator;
  readonly #typeOf: (value: Value) => ValueType | undefined;
  readonly #known = new Map<Value, AffineIntegers | undefined>();
  #depth = 0;

  constructor(integers: IntEvaluator, typeOf: (value: Value) => ValueType | undefined) {
    this.#integers = integers;
    this.#typeOf = typeOf;
  }

  of(value: Value | undefined): AffineIntegers | undefined {
    if (value === undefined) return undefined;
    if (this.#known.has(value)) return this.#known.get(value);
    if (this.#depth >= maxDepth) return undefined;
    this.#known.set(value, undefined);
    this.#depth += 1;
    const found = this.#evaluate(value);
    this.#depth -= 1;
    this.#known.set(value, found);
    return found;
  }

  /** Elements [..., index] of the last axis: of a Concat of single ones, or of a constant. */
  part(value: Value | undefined, index: number): AffineIntegers | undefined {
    const dims = this.#dims(value);
    const last = dims?.at(-1);
    if (value === undefined || dims === undefined || typeof last !== 'number' || index >= last)
      return undefined;
    const constant = value.isInput ? undefined : value.initializer;
    if (constant !== undefined) return affineOf(constant, { stride: last, start: index });
    const node = value.producer;
    const axis = node?.int('axis') ?? 0;
    if (node?.op !== 'Concat' || node.inputs.length !== last || (axis !== -1 && axis !== dims.length - 1))
      return undefined;
    const input = node.input(index);
    const part = this.#dims(input)?.at(-1) === 1 ? this.of(input) : undefined;
    return part && { offset: part.offset, dims: part.dims.slice(0, -1), steps: part.steps.slice(0, -1) };
  }

  #dims(value: Value | undefined): readonly Dim[] | undefined {
    const type = value === undefined ? undefined : this.#typeOf(value);
    return type?.kind === 'tensor' ? type.shape : undefined;
  }

  #size(value: Value | undefined): Dim {
    const data = value === undefined ? undefined : this.#integers.of(value);
    return data?.values.length === 1 ? (data.values[0] ?? null) : null;
  }

  #evaluate(value: Value): AffineIntegers | undefined {
    if (value.initializer !== undefined) return value.isInput ? undefined : affineOf(value.initializer);
    const dims = this.#dims(value);
    const node = value.producer;
    if (node === undefined || node.domain !== '' || dims === undefined) return undefined;
    if (dims.every((dim) => dim === 1)) {
      const size = this.#size(value);
      if (size !== null) return { dims, offset: size, steps: dims.map(() => 0) };
    }
    const [first, second] = [node.input(0), node.input(1)];
    switch (node.opType) {
      case 'Range':
        return known({ dims, offset: this.#size(first), steps: [this.#size(node.input(2))] });
      case 'Identity':
        return this.of(first);
      case 'Cast':
        // int32 and int64.
        return node.int('to') === 6 || node.int('to') === 7 ? this.of(first) : undefined;
      case 'Unsqueeze':
      case 'Squeeze':
      case 'Reshape':
      case 'Flatten':
        return relabelled(this.of(first), dims);
      case 'Expand':
        return broadcast(this.of(first), dims);
      case 'Add':
        return combine(this.of(first), this.of(second), dims, addDims);
      case 'Sub':
        return combine(this.of(first), this.of(second), dims, subtractDims);
      case 'Mul':
        return scaled(this.of(first), this.of(second), dims);
      case 'Where':
        return this.#isNegative(first) === false ? broadcast(this.of(node.input(2)), dims) : undefined;
      default:
        return undefined;
    }
  }

  /** False for `x < 0` of what counts up from 0 or more: how exporters allow for indices from the back. */
  #isNegative(condition: Value | undefined): boolean | undefined {
    const node = condition?.producer;
    if (node?.op !== 'Less' || this.#size(node.input(1)) !== 0) return undefined;
    const left = this.of(node.input(0));
    if (left === undefined || ![left.offset, ...left.steps].every(isNonNegative)) return undefined;
    return false;
  }
}

/** Undefined where something of it is not known. */
function known(affine: AffineIntegers): AffineIntegers | undefined {
  const steps = affine.dims.map((dim, axis) => (dim === 1 ? 0 : (affine.steps[axis] ?? null)));
  return affine.offset === null || steps.includes(null) ? undefined : { ...affine, steps };
}

/** The same elements, with axes of 1 added or removed. */
function relabelled(affine: AffineIntegers | undefined, dims: readonly Dim[]): AffineIntegers | undefined {
  if (affine === undefined) return undefined;
  const axes = affine.dims.flatMap((dim, axis) => (dim === 1 ? [] : [axis]));
  const steps: Dim[] = [];
  for (const dim of dims) {
    const axis = dim === 1 ? undefined : axes.shift();
    if (dim !== 1 && (axis === undefined || sameDim(dim, affine.dims[axis] ?? null) !== true))
      return undefined;
    steps.push(axis === undefined ? 0 : (affine.steps[axis] ?? null));
  }
  return axes.length > 0 ? undefined : { dims, offset: affine.offset, steps };
}

function broadcast(affine: AffineIntegers | undefined, dims: readonly Dim[]): AffineIntegers | undefined {
  if (affine === undefined) return undefined;
  const shift = dims.length - affine.dims.length;
  return { dims, offset: affine.offset, steps: dims.map((_, axis) => affine.steps[axis - shift] ?? 0) };
}

function combine(
  a: AffineIntegers | undefined,
  b: AffineIntegers | undefined,
  dims: readonly Dim[],
  operate: (a: Dim, b: Dim) => Dim,
): AffineIntegers | undefined {
  const [left, right] = [broadcast(a, dims), broadcast(b, dims)];
  if (left === undefined || right === undefined) return undefined;
  return known({
    dims,
    offset: operate(left.offset, right.offset),
    steps: left.steps.map((step, axis) => operate(step, right.steps[axis] ?? null)),
  });
}

/** One side is one number. */
function scaled(
  a: AffineIntegers | undefined,
  b: AffineIntegers | undefined,
  dims: readonly Dim[],
): AffineIntegers | undefined {
  const [left, right] = [broadcast(a, dims), broadcast(b, dims)];
  if (left === undefined || right === undefined) return undefined;
  const [factor, other] = left.steps.every((step) => step === 0) ? [left, right] : [right, left];
  if (!factor.steps.every((step) => step === 0)) return undefined;
  return known({
    dims,
    offset: multiplyDims(factor.offset, other.offset),
    steps: other.steps.map((step) => multiplyDims(factor.offset, step)),
  });
}

/** Reads a constant: every element of it, or every `stride`-th, from `start` on, without the last axis. */
function affineOf(tensor: Tensor, every?: { stride: number; start: number }): AffineIntegers | undefined {
  const dims = every === undefined ? tensor.shape : tensor.shape.slice(0, -1);
  if (tensor.origin.kind !== 'inline' || (tensor.dtype !== 'int64' && tensor.dtype !== 'int32'))
    return undefined;
  const count = elementCount(dims);
  if (count === 0 || elementCount(tensor.shape) > maxElements) return undefined;
  const { bytes } = tensor.origin;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (index: number): number => {
    const place = index * (every?.stride ?? 1) + (every?.start ?? 0);
    return tensor.dtype === 'int64'
      ? Number(view.getBigInt64(8 * place, true))
      : view.getInt32(4 * place, true);
  };
  const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
  const offset = at(0);
  const steps = dims.map((dim, axis) => (dim === 1 ? 0 : at(strides[axis] ?? 0) - offset));
  for (let index = 0; index < count; index += 1) {
    let expected = offset;
    for (const [axis, dim] of dims.entries()) {
      expected += (Math.floor(index / (strides[axis] ?? 1)) % dim) * (steps[axis] ?? 0);
    }
    if (at(index) !== expected) return undefined;
  }
  return { dims, offset, steps };
}
