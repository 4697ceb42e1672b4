/** Ranges in words, for all forms of the report. */
import type { RangeReport, ValueRange } from './range-report.ts';
import { formatNumber } from './text.ts';

/** `3110`, `0.912`: three digits say how near it is. */
export function rangeTitle(headroom: number): string {
  return formatNumber(Number(headroom.toPrecision(3)));
}

/**
 * `least headroom 0.912 at 112x112: block.1/MatMul_7 (MatMul), token 52, channel 43`, over all sizes; where something is
 * not finite, that. Undefined where the component was not measured. Without a full stop.
 */
export function leastRange({ sizes }: RangeReport, component: string): string | undefined {
  const own = sizes.flatMap(({ size, components }) =>
    components.filter((one) => one.component === component).map((one) => ({ size, ...one })),
  );
  const [least] = own
    .flatMap(({ size, nearest }) => nearest.slice(0, 1).map((row) => ({ size, ...row })))
    .sort((a, b) => a.headroom - b.headroom);
  const lost = own.find(({ nonFinite }) => nonFinite !== undefined);
  const room =
    least === undefined
      ? undefined
      : `least headroom ${rangeTitle(least.headroom)} at ${least.size}: ${least.node} (${least.operator}), ${least.where}`;
  const { nonFinite, size } = lost ?? {};
  if (nonFinite === undefined) return room;
  const first = `${nonFinite.node} (${nonFinite.operator}) is the first beyond float16 at ${size}: ${nonFinite.where}`;
  return room === undefined ? first : `${first}; ${room}`;
}

/** A value at the size where it has the least headroom. */
export interface LeastRange extends ValueRange {
  readonly size: string;
  /** Kept by a fused attention operator to itself. */
  readonly fused: boolean;
}

/** Per value of a component that is listed at some size, the least over all sizes; least first. */
export function leastPerValue({ sizes }: RangeReport, component: string): readonly LeastRange[] {
  const least = new Map<string, LeastRange>();
  for (const { size, components } of sizes) {
    const own = components.filter((one) => one.component === component);
    const rows = own.flatMap(({ nearest, inside }) => [
      ...nearest.map((row) => ({ ...row, size, fused: false })),
      ...inside.map((row) => ({ ...row, size, fused: true })),
    ]);
    for (const row of rows) {
      const known = least.get(row.value);
      if (known === undefined || row.headroom < known.headroom) least.set(row.value, row);
    }
  }
  return [...least.values()].sort((a, b) => a.headroom - b.headroom);
}
