/** Lengths that a graph is compiled for, or that it computes: numbers, or int64 [1]. */
import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/value.ts';

export type Extent = number | Value;

export function toValue(b: GraphBuilder, extent: Extent): Value {
  return typeof extent === 'number' ? b.int64([extent]) : extent;
}

export function times(b: GraphBuilder, x: Extent, y: Extent): Extent {
  if (typeof x === 'number' && typeof y === 'number') return x * y;
  if (y === 1) return x;
  return b.op('Mul', [toValue(b, x), toValue(b, y)]);
}

export function plus(b: GraphBuilder, x: Extent, y: Extent): Extent {
  if (typeof x === 'number' && typeof y === 'number') return x + y;
  return b.op('Add', [toValue(b, x), toValue(b, y)]);
}

export function reshapeTo(b: GraphBuilder, x: Value, shape: readonly Extent[]): Value {
  const fixed = shape.filter((extent) => typeof extent === 'number');
  if (fixed.length === shape.length) return b.op('Reshape', [x, b.int64(fixed)]);
  const parts = shape.map((extent) => toValue(b, extent));
  return b.op('Reshape', [x, b.op('Concat', parts, { attributes: { axis: 0 } })]);
}
