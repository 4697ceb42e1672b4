/** Position tables are stored for a square grid, whose side no config states: it follows from the row count. */
import { fail } from '../../report/diagnostics.ts';
import type { Grid } from '../blocks/resize.ts';
import type { WeightReader } from '../blocks/weights.ts';

/** The grid of a table [side², size]; throws VC1221 where there is none, VC1222 where it is not square. */
export function storedGrid(weights: WeightReader, name: string): Grid {
  const where = weights.prefix + name;
  const shape = weights.shapeOf(name);
  if (shape === undefined) throw fail('VC1221', { where });
  const [rows = 0] = shape;
  const side = Math.round(Math.sqrt(rows));
  if (shape.length !== 2 || rows < 1 || side * side !== rows) {
    throw fail('VC1222', { where, found: `[${shape.join(', ')}]`, expected: '[a square number, size]' });
  }
  return { rows: side, columns: side };
}
