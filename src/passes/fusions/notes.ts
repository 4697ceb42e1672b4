/** What fusions tell of themselves: how often they applied, and near misses, which a reader would expect to be fused. */

import { plural } from '../../report/format.ts';
import type { RewriteReport } from '../../rewrite/driver.ts';
import type { PassContext, PassResult } from '../pass.ts';

/** Reasons that are told; of a graph with many near misses, the first are like the others. */
const mostReasons = 3;

/** One note per reason. `nearest`: nodes that must have matched before the search got stuck. */
export function noteMisses(
  { misses }: Pick<RewriteReport, 'misses'>,
  cx: PassContext,
  what: string,
  nearest: number,
): void {
  const reasons = new Map<string, string[]>();
  for (const { reason, node, depth } of misses) {
    if (depth >= nearest) reasons.set(reason, [...(reasons.get(reason) ?? []), node]);
  }
  for (const [reason, nodes] of [...reasons].slice(0, mostReasons)) {
    const places = nodes.length === 1 ? `at ${nodes[0]}` : `at ${nodes.length} places, first ${nodes[0]},`;
    cx.note(`${what} ${places} is not fused: ${reason}`);
  }
  const others = [...reasons.values()].slice(mostReasons).flat().length;
  if (others > 0) cx.note(`${what} at ${plural(others, 'other place')} is not fused, for reasons like these`);
}

/** Rules that applied, by name. */
export function fusionResult({ applied, changed }: RewriteReport): PassResult {
  return { changed, stats: Object.fromEntries([...applied].filter(([, count]) => count > 0)) };
}
