/**
 * Building derivations: what one costs follows from what it reads, and reading a derived input costs what that
 * input's own derivation needs.
 */

import { byteLengthOf } from '../dtype.ts';
import type { CallOverhead, Derivation, JsonValue, Tensor, TensorSpec } from '../tensor.ts';

/** One input and how much of it a computation reads. */
export interface Reading {
  readonly tensor: Tensor;
  /** Bytes of it read and held per row of the output. */
  readonly perRow?: number;
  /** Bytes of it that every call goes through. */
  readonly perCall?: number;
  /** Bytes of those held at a time; left out: all. */
  readonly heldPerCall?: number;
}

interface Recipe {
  readonly op: string;
  readonly params: { readonly [key: string]: JsonValue };
  readonly readings: readonly Reading[];
  readonly outputs: readonly TensorSpec[];
  readonly rows: number;
  /** Intermediates per row, beyond inputs and outputs. */
  readonly scratchPerRow?: number;
  readonly computeRows: Derivation['computeRows'];
}

/** A derivation whose working bytes are summed up from its readings and outputs. */
export function derive(recipe: Recipe): Derivation {
  const { op, params, readings, outputs, rows, computeRows } = recipe;
  let perRow = recipe.scratchPerRow ?? 0;
  for (const { dtype, shape } of outputs) perRow += byteLengthOf(dtype, shape) / Math.max(rows, 1);
  let read = 0;
  let held = 0;
  for (const reading of readings) {
    const cost = costOfReading(reading.tensor);
    const perCall = reading.perCall ?? 0;
    perRow += (reading.perRow ?? 0) * cost.perByte;
    read += perCall + cost.overhead.read;
    held += (reading.heldPerCall ?? perCall) * cost.perByte + cost.overhead.held;
  }
  return {
    op,
    params,
    inputs: readings.map(({ tensor }) => tensor),
    outputs,
    rows,
    workingBytesPerRow: perRow,
    ...(read + held > 0 ? { overhead: { read, held } } : {}),
    computeRows,
  };
}

const none: CallOverhead = { read: 0, held: 0 };

/** Peak bytes held per byte that is read of a tensor, and what each read costs besides. */
export function costOfReading(tensor: Tensor): { readonly perByte: number; readonly overhead: CallOverhead } {
  const { origin } = tensor;
  if (origin.kind === 'inline') return { perByte: 0, overhead: none };
  if (origin.kind === 'source' || tensor.byteLength === 0) return { perByte: 1, overhead: none };
  const { derivation } = origin;
  return {
    perByte: (derivation.workingBytesPerRow * derivation.rows) / tensor.byteLength,
    overhead: derivation.overhead ?? none,
  };
}

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
