/** Adapters that the weights hold, or that the graphs run: what they change, as data and in Markdown. */
import type { ChangeKind } from '../../formats/checkpoint/adapters/apply.ts';

/** A tensor that an adapter changes. */
export interface AdapterChange {
  /** Its name in the checkpoint. */
  readonly tensor: string;
  /** The adapter's name of the module. */
  readonly module: string;
  readonly kind: ChangeKind;
  readonly rank?: number;
  readonly scale?: number;
  /** The component that reads it; null: none does. */
  readonly component: string | null;
  /** ‖change‖ / ‖weight‖, of trained rows over those rows. Left out where nothing was measured: in a plan. */
  readonly change?: number;
  /** Share of the change that float16 keeps, 1 for all; left out where weights are not stored so. */
  readonly kept?: number;
  /** Rows that were looked at, where not all were. */
  readonly sampled?: { readonly rows: number; readonly of: number };
}

export interface AdapterRecord {
  readonly name: string;
  /** What its scale was multiplied by. */
  readonly share: number;
  /** In its files; all of them are used. */
  readonly tensors: number;
  readonly changes: readonly AdapterChange[];
}

/** Of the section of the report: a row for each kind of change of each adapter. */
export function adapterRows(adapters: readonly AdapterRecord[]): readonly (readonly string[])[] {
  return adapters.flatMap(({ name, share, changes }) => {
    const kinds = [...new Set(changes.map(({ kind }) => kind))];
    return kinds.map((kind) => {
      const own = changes.filter((change) => change.kind === kind);
      const moved = own.flatMap(({ change }) => (change === undefined ? [] : [change]));
      const kept = own.flatMap((change) => (change.kept === undefined ? [] : [change.kept]));
      return [
        share === 1 ? name : `${name} · ${share}`,
        kind,
        String(own.length),
        String(own.filter(({ component }) => component === null).length),
        ...[Math.min(...moved), median(moved), Math.max(...moved)].map((value) => value.toPrecision(3)),
        kept.length === 0 ? '' : `${Math.round(100 * Math.min(...kept))} %`,
      ];
    });
  });
}

export const adapterColumns: readonly string[] = [
  'Adapter',
  'Kind',
  'Weights',
  'Read by nothing',
  'Least change',
  'Median',
  'Most',
  'Kept in float16, at least',
];

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
