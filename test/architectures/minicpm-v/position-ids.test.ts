/** Position ids against those recorded: every patch of every view of up to 1400, in TypeScript and in the graph. */
import { describe, expect, it } from 'vitest';
import { positionIds, positionIdsOf } from '../../../src/architectures/minicpm-v/position-ids.ts';
import { int64Value } from '../../../src/runtime/values.ts';
import { runGraph } from '../../support/run-graph.ts';
import { type IdTable, idTables } from './tables.ts';

function recordedIds(count: number, side: number, { exceptions }: IdTable): number[] {
  const early = new Set(exceptions[String(count)] ?? []);
  return Array.from({ length: count }, (_, i) => Math.floor((i * side) / count) - (early.has(i) ? 1 : 0));
}

describe.each([...idTables])('%i positions per side', (side, table) => {
  const counts = Array.from({ length: table.largest_n }, (_, i) => i + 1);

  it('sorts patches as recorded', () => {
    for (const count of counts)
      expect(positionIds(count, side), `${count}`).toEqual(recordedIds(count, side, table));
  });

  it('sorts them so in the graph, views of all sizes at once', async () => {
    const length = table.largest_n;
    const slots = int64Value(
      [length],
      Array.from({ length }, (_, i) => i),
    );
    const { ids } = await runGraph({ slots, counts: int64Value([length, 1], counts) }, (b, inputs) => {
      if (inputs.slots === undefined || inputs.counts === undefined) throw new Error('no inputs');
      return { ids: positionIdsOf(b, inputs.slots, inputs.counts, side) };
    });
    const found = Array.from(ids.data, Number);
    for (const [view, count] of counts.entries()) {
      const own = found.slice(view * length, view * length + count);
      expect(own, `${count}`).toEqual(recordedIds(count, side, table));
    }
    expect(found.every((id) => id >= 0 && id < side)).toBe(true);
  });
});
