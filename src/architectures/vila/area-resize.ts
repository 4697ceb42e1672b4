/**
 * Resizing maps by areas, as torch's `interpolate(mode="area")`: cell i of `to` is the mean of the cells of `from` that it
 * touches, floor(i · from / to) to ceil((i + 1) · from / to). Two matrix products, one for each axis.
 */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';
import { codeOfDType } from '../../tensor/dtype.ts';
import { type Extent, reshapeTo, times, toValue } from './extent.ts';

export interface MapShape {
  readonly rows: Extent;
  readonly columns: Extent;
}

/** x f32 [N, rows, columns, width] → [N, to.rows, to.columns, width]; `batch`: N, or -1. */
export function areaResize(
  b: GraphBuilder,
  x: Value,
  {
    batch,
    width,
    from,
    to,
  }: { readonly batch: number; readonly width: number; readonly from: MapShape; readonly to: MapShape },
): Value {
  const lines = reshapeTo(b, x, [batch, from.rows, times(b, from.columns, width)]);
  const tall = b.op('MatMul', [areaMatrix(b, from.rows, to.rows), lines]);
  const map = reshapeTo(b, tall, [batch, to.rows, from.columns, width]);
  return b.op('MatMul', [areaMatrix(b, from.columns, to.columns), map]);
}

/** f32 [to, from] */
function areaMatrix(b: GraphBuilder, from: Extent, to: Extent): Value {
  if (typeof from === 'number' && typeof to === 'number') return knownMatrix(b, from, to);
  const zero = b.int64([0], []);
  const one = b.int64([1], []);
  const scalar = (extent: Extent): Value => b.op('Squeeze', [toValue(b, extent), b.int64([0])]);
  const count = scalar(to);
  const cells = scalar(from);
  const rows = b.op('Unsqueeze', [b.op('Range', [zero, count, one]), b.int64([1])]);
  const begin = b.op('Div', [b.op('Mul', [rows, cells]), count]);
  const beyond = b.op('Add', [b.op('Mul', [b.op('Add', [rows, one]), cells]), b.op('Sub', [count, one])]);
  const end = b.op('Div', [beyond, count]);
  const columns = b.op('Range', [zero, cells, one]);
  const inside = b.op('And', [b.op('LessOrEqual', [begin, columns]), b.op('Less', [columns, end])]);
  const float = (value: Value): Value =>
    b.op('Cast', [value], { attributes: { to: codeOfDType('float32') } });
  return b.op('Div', [float(inside), float(b.op('Sub', [end, begin]))]);
}

function knownMatrix(b: GraphBuilder, from: number, to: number): Value {
  const values = new Float32Array(to * from);
  for (let row = 0; row < to; row += 1) {
    const begin = Math.floor((row * from) / to);
    const end = Math.ceil(((row + 1) * from) / to);
    for (let column = begin; column < end; column += 1) values[row * from + column] = 1 / (end - begin);
  }
  return b.float32(values, [to, from]);
}
