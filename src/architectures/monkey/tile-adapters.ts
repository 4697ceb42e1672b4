/**
 * Which adapter each window runs with, and whether that adapter was trained for the window's position.
 *
 * Window i (row-major) runs adapter i, as in the reference, while there is one. Beyond, `nearest` takes the
 * adapter whose trained position is closest, `base` takes none, `error` refuses. Adapter k was trained at tile
 * (k div columns, k mod columns) of the checkpoint's own grid; adapters beyond that grid were never trained.
 */
import { type DiagnosticRecord, diagnostic, fail } from '../../report/diagnostics.ts';
import type { LoraTiles } from '../architecture.ts';
import type { View } from '../media.ts';
import type { TileGrid } from './geometry.ts';

export interface TileAdapters {
  /** Windows in row-major order, then the global view, which runs without adapter. */
  readonly views: readonly View[];
  /** One VC4301 per window that runs weights not trained for its position. */
  readonly warnings: readonly DiagnosticRecord[];
}

interface Position {
  readonly row: number;
  readonly column: number;
}

/** `count` adapters trained on `trained`, for the windows of `grid`; throws VC4302 under `error`. */
export function assignAdapters(
  grid: TileGrid,
  count: number,
  trained: TileGrid,
  policy: LoraTiles,
): TileAdapters {
  const windows = grid.rows * grid.columns;
  if (policy === 'error' && windows > count) {
    throw fail('VC4302', {
      where: `${grid.columns}x${grid.rows} tiles`,
      found: `${count} adapters in the checkpoint`,
      expected: `${windows}, one per tile`,
    });
  }
  const views: View[] = [];
  const warnings: DiagnosticRecord[] = [];
  for (let window = 0; window < windows; window += 1) {
    const at = positionOf(window, grid.columns);
    const adapter =
      window < count ? window : policy === 'nearest' ? nearestAdapter(at, count, trained) : null;
    const home = adapter === null ? undefined : trainedPosition(adapter, trained);
    const isTrained = home !== undefined && home.row === at.row && home.column === at.column;
    views.push({ kind: 'tile', ...at, adapter, trained: isTrained });
    if (isTrained) continue;
    warnings.push(
      diagnostic('VC4301', {
        where: `tile ${window} (row ${at.row}, column ${at.column})`,
        found: describe(adapter, home),
        expected: 'an adapter trained at that row and column',
      }),
    );
  }
  views.push({ kind: 'global', adapter: null });
  return { views, warnings };
}

function describe(adapter: number | null, home: Position | undefined): string {
  if (adapter === null) return 'no adapter: base weights only';
  if (home === undefined) return `adapter ${adapter}, which the checkpoint's own size never runs`;
  return `adapter ${adapter}, trained at row ${home.row}, column ${home.column}`;
}

function positionOf(index: number, columns: number): Position {
  return { row: Math.floor(index / columns), column: index % columns };
}

function trainedPosition(adapter: number, trained: TileGrid): Position | undefined {
  return adapter < trained.rows * trained.columns ? positionOf(adapter, trained.columns) : undefined;
}

/** By Euclidean distance in tiles, ties to the lower index; null where no adapter was trained. */
function nearestAdapter(at: Position, count: number, trained: TileGrid): number | null {
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (let adapter = 0; adapter < count; adapter += 1) {
    const home = trainedPosition(adapter, trained);
    if (home === undefined) break;
    const distance = (home.row - at.row) ** 2 + (home.column - at.column) ** 2;
    if (distance < least) {
      least = distance;
      best = adapter;
    }
  }
  return best;
}
