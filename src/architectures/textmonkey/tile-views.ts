/**
 * The views of TextMonkey and the adapters that they run with: none where the checkpoint has none, the one for all tiles
 * where it has one, else one per tile as in Monkey. The global view, where it is used, runs without.
 */
import type { LoraTiles } from '../architecture.ts';
import type { View } from '../media.ts';
import type { TileGrid } from '../monkey/geometry.ts';
import { assignAdapters, type TileAdapters } from '../monkey/tile-adapters.ts';

export function tileViews(
  grid: TileGrid,
  count: number,
  trained: TileGrid,
  policy: LoraTiles,
  globalView: boolean,
): TileAdapters {
  const assigned = count > 1 ? assignAdapters(grid, count, trained, policy) : undefined;
  const tiles =
    assigned?.views.filter(({ kind }) => kind === 'tile') ??
    Array.from({ length: grid.rows * grid.columns }, (_, at): View => {
      const place = { row: Math.floor(at / grid.columns), column: at % grid.columns };
      // One adapter was trained on every tile.
      return { kind: 'tile', ...place, ...(count === 0 ? {} : { adapter: 0, trained: true }) };
    });
  const whole: readonly View[] = globalView
    ? [{ kind: 'global', ...(count === 0 ? {} : { adapter: null }) }]
    : [];
  return { views: [...tiles, ...whole], warnings: assigned?.warnings ?? [] };
}
