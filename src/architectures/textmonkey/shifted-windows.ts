/**
 * The arithmetic of shifted windows over a map of patches (Liu et al., Swin Transformer): where a window's patches come
 * from, which of them see each other, and which row of the bias table is for which two of them. Windows of 12 patches,
 * shifted by 6, are literals of the original's code.
 */
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';
import type { Grid } from '../blocks/resize.ts';

/** Side of a window, in patches. */
export const windowSide = 12;
/** What a map is rolled by, up and to the left, before it is cut into windows. */
export const windowShift = 6;
/** What is added to the scores of patches that a roll has put beside each other. */
const apart = -100;

/** The map with whole windows: padded at the bottom and on the right. */
export function paddedGrid({ rows, columns }: Grid): Grid {
  const whole = (count: number): number => Math.ceil(count / windowSide) * windowSide;
  return { rows: whole(rows), columns: whole(columns) };
}

/** Rows of a bias table [rows, heads]. */
export const biasRows = (2 * windowSide - 1) ** 2;

/**
 * A band of windows whose patches see each other alike: all before the last row (or column) of windows, or the last, of
 * which the roll has put the second half there from the other end of the map.
 */
export interface Band {
  readonly begin: number;
  readonly end: number;
  readonly last: boolean;
}

/** The bands of so many windows along an axis, at least two. */
export function bandsOf(windows: number): readonly Band[] {
  return [
    { begin: 0, end: windows - 1, last: false },
    { begin: windows - 1, end: windows, last: true },
  ];
}

/** Constants of all windows, the same for every module and every map. */
export interface WindowTables {
  /** int64 [patches · patches, 1]: `biasIndices`. */
  readonly places: Tensor;
  /** float32 [patches, patches]: `regionMask` of windows in the last column, in the last row, and in both. */
  readonly masks: { readonly column: Tensor; readonly row: Tensor; readonly both: Tensor };
}

export function windowTables(): WindowTables {
  const patches = windowSide ** 2;
  const mask = (row: boolean, column: boolean): Tensor =>
    inlineTensor('float32', [patches, patches], bytesOf(regionMask({ row, column })));
  return {
    places: inlineTensor('int64', [patches ** 2, 1], bytesOf(BigInt64Array.from(biasIndices(), BigInt))),
    masks: { column: mask(false, true), row: mask(true, false), both: mask(true, true) },
  };
}

function bytesOf({ buffer }: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(buffer);
}

/** Per pair of a window's patches, query-major, the row of the bias table: by how far the query lies from the key. */
export function biasIndices(): readonly number[] {
  const span = 2 * windowSide - 1;
  const patches = patchesOfWindow();
  return patches.flatMap((query) =>
    patches.map(
      (key) => (query.row - key.row + windowSide - 1) * span + (query.column - key.column + windowSide - 1),
    ),
  );
}

/**
 * Added to the scores of a window's patches, query-major: 0 where both are of one region of the map before it was rolled.
 * Windows of the last row consist of two regions, one above the other, those of the last column of two beside each other.
 * The original counts regions on the padded map, so that padding is of that which it lies beside.
 */
export function regionMask(last: { readonly row: boolean; readonly column: boolean }): Float32Array {
  const half = (at: number, isLast: boolean): number => (isLast && at >= windowSide - windowShift ? 1 : 0);
  const regions = patchesOfWindow().map(
    ({ row, column }) => 2 * half(row, last.row) + half(column, last.column),
  );
  return Float32Array.from(regions.flatMap((query) => regions.map((key) => (query === key ? 0 : apart))));
}

function patchesOfWindow(): readonly { readonly row: number; readonly column: number }[] {
  return Array.from({ length: windowSide ** 2 }, (_, at) => ({
    row: Math.floor(at / windowSide),
    column: at % windowSide,
  }));
}
