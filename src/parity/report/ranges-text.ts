/** Ranges in words, for all forms of the report. */
import type { RangeReport } from './range-report.ts';
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
