/** Position tables are stored for a square grid, whose side a config need not state: it follows from the row count. */
import { fail } from '../../report/diagnostics.ts';
import type { Grid } from './resize.ts';
import type { WeightReader } from './weights.ts';

export interface TableForm {
  /** Rows before those of the grid. */
  readonly before: number;
  /** True where a leading axis of one is stored. */
  readonly batched: boolean;
}

/** The grid of a table [side², size], or one of another form; throws VC1221 where there is none, VC1222 where it is not square. */
export function storedGrid(
  weights: WeightReader,
  name: string,
  { before, batched }: TableForm = { before: 0, batched: false },
): Grid {
  const where = weights.prefix + name;
  const shape = weights.shapeOf(name);
  if (shape === undefined) throw fail('VC1221', { where });
  const all = shape.at(-2) ?? 0;
  const rows = all - before;
  const side = Math.round(Math.sqrt(rows));
  if (shape.length !== (batched ? 3 : 2) || rows < 1 || side * side !== rows) {
    const expected = `[${batched ? '1, ' : ''}${before > 0 ? `${before} + ` : ''}a square number, size]`;
    throw fail('VC1222', { where, found: `[${shape.join(', ')}]`, expected });
  }
  return { rows: side, columns: side };
}
