/**
 * A matrix whose rows or columns are multiplied by a number each: what DoRA does to a merged weight. float32.
 */
import { bytesOf, viewAs } from '../../kernels/bytes.ts';
import { elementCount } from '../dtype.ts';
import { derivedTensor, type JsonValue, type Tensor } from '../tensor.ts';
import { expectFloat32, matrixShape, regionAt } from './derive.ts';

export type ScaledAxis = 'rows' | 'columns';

/** matrix [rows, columns], factors [rows] or [columns] */
export function scaleAxis(matrix: Tensor, factors: Tensor, axis: ScaledAxis): Tensor {
  expectFloat32(matrix, 'a matrix to scale');
  expectFloat32(factors, 'a factor');
  const [rows, columns] = matrixShape(matrix, 'a matrix to scale');
  if (factors.shape.length !== 1 || elementCount(factors.shape) !== (axis === 'rows' ? rows : columns)) {
    throw new RangeError(`[${factors.shape}] factors for the ${axis} of [${matrix.shape}]`);
  }
  return derivedTensor({
    op: 'scale-axis',
    params: { axis },
    inputs: [matrix, factors],
    outputs: [{ dtype: 'float32', shape: [rows, columns] }],
    rows,
    needs: (window) => [
      { input: 0, window },
      {
        input: 1,
        window:
          axis === 'rows'
            ? { row: window.row, rows: window.rows, column: 0, columns: 1 }
            : { row: window.column, rows: window.columns, column: 0, columns: 1 },
      },
    ],
    compute: (window, inputs, outputs, { workspace }) => {
      const [source, factor] = [regionAt(inputs, 0), regionAt(inputs, 1)];
      const target = regionAt(outputs, 0);
      const count = axis === 'rows' ? window.rows : window.columns;
      const scales = viewAs(Float32Array, workspace.bytes(factor.pointer, count * 4)).slice();
      const row = new Float32Array(window.columns);
      for (let r = 0; r < window.rows; r++) {
        const from = viewAs(
          Float32Array,
          workspace.bytes(source.pointer + r * source.stride, window.columns * 4),
        );
        for (let c = 0; c < window.columns; c++) {
          row[c] = (from[c] as number) * (scales[axis === 'rows' ? r : c] as number);
        }
        workspace.bytes(target.pointer + r * target.stride, row.byteLength).set(bytesOf(row));
      }
    },
  });
}

export function rebuildScaleAxis(
  [matrix, factors]: readonly Tensor[],
  { axis }: { readonly [key: string]: JsonValue },
): readonly Tensor[] {
  if (matrix === undefined || factors === undefined || (axis !== 'rows' && axis !== 'columns')) {
    throw new RangeError('scale-axis: wrong recipe');
  }
  return [scaleAxis(matrix, factors, axis)];
}
