/**
 * Bicubic resampling as torch's `interpolate(mode="bicubic", align_corners=False)` does it: cubic convolution
 * with a = -0.75, half-pixel centres, clamped borders, no antialias. The graph holds its definition, ONNX's
 * Resize; a pass turns it into constants and matrix products that every provider runs.
 */
import { float } from '../../graph/attribute.ts';
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
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
