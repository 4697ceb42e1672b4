/**
 * Rectangles of tensors seen as matrices, and where their bytes lie in a workspace.
 *
 * Every tensor is a matrix to the engine: [] is [1, 1], [n] is [n, 1], [.., c] is [product of the rest, c].
 */
import { bitsOf, type DType, elementCount } from './dtype.ts';

/** Rows [row, row + rows) and columns [column, column + columns) of a tensor seen as a matrix. */
export interface Window {
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** Bytes of a window: rows of consecutive elements, `stride` bytes from one row to the next. */
export interface Region {
  readonly pointer: number;
  readonly stride: number;
}

export function matrixOf(shape: readonly number[]): readonly [rows: number, columns: number] {
  const columns = shape.length < 2 ? 1 : (shape.at(-1) ?? 1);
  return [elementCount(shape.length < 2 ? shape : shape.slice(0, -1)), columns];
}

/** Rows [begin, end) of a matrix with `columns` columns, whole. */
export function wholeRows(begin: number, end: number, columns: number): Window {
  return { row: begin, rows: end - begin, column: 0, columns };
}

export function windowBytes(dtype: DType, { rows, columns }: Window): number {
  return rows * columns * elementBytes(dtype);
}

export function containsWindow(outer: Window, inner: Window): boolean {
  return (
    inner.row >= outer.row &&
    inner.column >= outer.column &&
    inner.row + inner.rows <= outer.row + outer.rows &&
    inner.column + inner.columns <= outer.column + outer.columns
  );
}

/** Bytes of an element; throws a RangeError for types narrower than a byte. */
export function elementBytes(dtype: DType): number {
  const bits = bitsOf(dtype);
  if (bits % 8 !== 0) throw new RangeError(`elements of ${dtype} are not whole bytes`);
  return bits / 8;
}
