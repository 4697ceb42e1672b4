/**
 * Bicubic resampling as torch's `interpolate(mode="bicubic", align_corners=False)` does it: cubic convolution
 * with a = -0.75, half-pixel centres, clamped borders, no antialias.
 *
 * A picture is resampled by two constant matrices: every provider runs them, and source positions are rounded
 * as torch rounds them, which ONNX's Resize does otherwise (1.5e-4 of a standard deviation at 1544 columns). A
 * table of positions is small enough for Resize, its definition; a pass makes a constant of it.
 */
import { float } from '../../graph/attribute.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { bicubicColumnMatrix, bicubicRowMatrix } from '../../tensor/bicubic-matrix.ts';
import { initializer, type Weight } from './weights.ts';

export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** x [N, C, H, W] → [N, C, rows, columns] */
export function bicubic(b: GraphBuilder, x: Value, to: Grid): Value {
  return b.op('Resize', [x, null, null, b.int64([to.rows, to.columns])], {
    attributes: {
      axes: [2, 3],
      mode: 'cubic',
      coordinate_transformation_mode: 'half_pixel',
      cubic_coeff_a: float(-0.75),
    },
  });
}

/** x [N, C, from.rows, from.columns] → [N, C, to.rows, to.columns], in float32 whatever the weights become. */
export function resamplePicture(b: GraphBuilder, x: Value, from: Grid, to: Grid): Value {
  const metadata = [[metadataKeys.precision, 'float32'] as const];
  const rows = b.weight('resample.rows', bicubicRowMatrix(from.rows, to.rows));
  const columns = b.weight('resample.columns', bicubicColumnMatrix(from.columns, to.columns));
  const tall = b.op('MatMul', [rows, x], { metadata });
  return b.op('MatMul', [tall, columns], { metadata });
}

/** A table of positions [from.rows · from.columns, size] for another grid → [to.rows · to.columns, size]. */
export function resizePositions(b: GraphBuilder, table: Weight, size: number, from: Grid, to: Grid): Value {
  const stored = initializer(b, table);
  if (from.rows === to.rows && from.columns === to.columns) return stored;
  const map = b.op('Reshape', [stored, b.int64([1, from.rows, from.columns, size])]);
  const channelsFirst = b.op('Transpose', [map], { attributes: { perm: [0, 3, 1, 2] } });
  const resized = bicubic(b, channelsFirst, to);
  const channelsLast = b.op('Transpose', [resized], { attributes: { perm: [0, 2, 3, 1] } });
  return b.op('Reshape', [channelsLast, b.int64([to.rows * to.columns, size])]);
}
