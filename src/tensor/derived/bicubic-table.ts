/**
 * A position table on a grid [gh·gw, D] (row-major) resampled to [h·w, D] with torch's bicubic
 * (kernels/bicubic.ts): both axes in float64, rounded to float32 once.
 */
import { bicubicRows, bicubicTaps } from '../../kernels/bicubic.ts';
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { wholeRows } from '../window.ts';
import { expectFloat32, matrixShape, regionAt, sameShape } from './derive.ts';

/** Rows and columns of a grid. */
export type Grid = readonly [height: number, width: number];

/** float32 [h·w, D] from a float32 table [gh·gw, D]; the table itself where the grids are equal. */
export function bicubicTable(table: Tensor, from: Grid, to: Grid): Tensor {
  expectFloat32(table, 'a position table');
  const [positions, depth] = matrixShape(table, 'a position table');
  const [gridHeight, gridWidth] = from;
  const [height, width] = to;
  if (gridHeight * gridWidth !== positions) {
    throw new RangeError(`a table of ${positions} positions is not a ${gridHeight}x${gridWidth} grid`);
  }
  const vertical = bicubicTaps(gridHeight, height);
  const horizontal = bicubicTaps(gridWidth, width);
  if (sameShape(from, to)) return table;

  return derivedTensor({
    op: 'bicubic-table',
    params: { from, to },
    inputs: [table],
    outputs: [{ dtype: 'float32', shape: [height * width, depth] }],
    rows: height * width,
    wholeRows: true,
    needs: ({ row, rows }) => {
      if (rows === 0) return [{ input: 0, window: wholeRows(0, 0, depth) }];
      // Taps grow with the position, so that the first and the last row bound what is read.
      const top = vertical.index[Math.floor(row / width) * 4] ?? 0;
      const bottom = vertical.index[Math.floor((row + rows - 1) / width) * 4 + 3] ?? 0;
      return [{ input: 0, window: wholeRows(top * gridWidth, (bottom + 1) * gridWidth, depth) }];
    },
    compute: ({ row, rows }, inputs, outputs, { workspace }) => {
      if (rows === 0) return;
      const top = vertical.index[Math.floor(row / width) * 4] ?? 0;
      const bottom = vertical.index[Math.floor((row + rows - 1) / width) * 4 + 3] ?? 0;
      const tableBytes = (bottom + 1 - top) * gridWidth * depth * 4;
      const source = viewAs(Float32Array, workspace.bytes(regionAt(inputs, 0).pointer, tableBytes));
      const result = bicubicRows(source, top, gridWidth, depth, vertical, horizontal, row, row + rows);
      workspace.bytes(regionAt(outputs, 0).pointer, result.byteLength).set(bytesOf(result));
    },
  });
}

export function rebuildBicubicTable(
  [table]: readonly Tensor[],
  { from, to }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  const isGrid = (grid: JsonValue | undefined): grid is Grid =>
    Array.isArray(grid) && grid.length === 2 && grid.every((side) => typeof side === 'number');
  if (table === undefined || !isGrid(from) || !isGrid(to))
    throw new RangeError('bicubic-table: wrong recipe');
  return [bicubicTable(table, from, to)];
}
