/** What derivations have in common: looking at tensors, and checks of shapes and types. */
import { elementCount } from '../dtype.ts';
import type { Derivation, Tensor } from '../tensor.ts';

/**
 * The tensor's derivation where the tensor is its output as it was declared, not a view of another shape.
 */
export function derivationOf(tensor: Tensor, op: string): Derivation | undefined {
  if (tensor.origin.kind !== 'derived') return undefined;
  const { derivation, output } = tensor.origin;
  const spec = derivation.outputs[output];
  if (derivation.op !== op || spec === undefined || !sameShape(spec.shape, tensor.shape)) return undefined;
  return derivation;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** The only input of a derivation that has one. */
export function onlyInput(derivation: Derivation): Tensor {
  const [input, ...rest] = derivation.inputs;
  if (input === undefined || rest.length > 0) throw new RangeError(`${derivation.op} has not one input`);
  return input;
}

/** The regions of a computation, of which there is one per need. */
export function regionAt<T>(regions: readonly T[], index: number): T {
  const region = regions[index];
  if (region === undefined) throw new RangeError(`a computation misses region ${index}`);
  return region;
}

/** Rows and columns of a matrix. */
export function matrixShape(tensor: Tensor, what: string): readonly [number, number] {
  const [rows, columns, ...rest] = tensor.shape;
  if (rows === undefined || columns === undefined || rest.length > 0) {
    throw new RangeError(`${what} is a matrix, not [${tensor.shape}]`);
  }
  return [rows, columns];
}

/** Checks that a tensor is float32: arithmetic is defined on it only, cast first. */
export function expectFloat32(tensor: Tensor, what: string): void {
  if (tensor.dtype !== 'float32')
    throw new RangeError(`${what} is float32, not ${tensor.dtype}: cast it first`);
}

/** Columns of a derivation's output: its elements by row. */
export function columnsOf({ outputs, rows }: Derivation, output: number): number {
  const spec = outputs[output];
  if (spec === undefined) throw new RangeError(`no output ${output}`);
  return rows === 0 ? 0 : elementCount(spec.shape) / rows;
}

/**
 * The float16 or bfloat16 tensor that was cast to this float32 one; any other tensor itself. The kernels that
 * quantize widen on their own.
 */
export function beforeWidening(weight: Tensor): Tensor {
  const widening = weight.dtype === 'float32' ? derivationOf(weight, 'cast') : undefined;
  const narrow = widening === undefined ? undefined : onlyInput(widening);
  return narrow?.dtype === 'float16' || narrow?.dtype === 'bfloat16' ? narrow : weight;
}
