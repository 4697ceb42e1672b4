/**
 * A position table on a grid [gh·gw, D] (row-major) resampled to [h·w, D] with torch's bicubic
 * (kernels/bicubic.ts): both axes in float64, rounded to float32 once.
 */
import { bicubicRows, bicubicTaps } from '../../kernels/bicubic.ts';
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { derive, expectFloat32, matrixShape, sameShape } from './derive.ts';

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
  const gridRowBytes = gridWidth * depth * 4;

  return derivedTensor(
    derive({
      op: 'bicubic-table',
      params: { from, to },
      readings: [{ tensor: table, perCall: table.byteLength }],
      outputs: [{ dtype: 'float32', shape: [height * width, depth] }],
      rows: height * width,
      computeRows: async (begin, end) => {
        // Taps grow with the position, so that the first and the last row bound what is read.
        const top = vertical.index[Math.floor(begin / width) * 4] ?? 0;
        const bottom = vertical.index[Math.floor((end - 1) / width) * 4 + 3] ?? 0;
        const bytes = await table.read(top * gridRowBytes, (bottom + 1) * gridRowBytes);
        const rows = viewAs(Float32Array, bytes);
        return [bytesOf(bicubicRows(rows, top, gridWidth, depth, vertical, horizontal, begin, end))];
      },
    }),
  );
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
