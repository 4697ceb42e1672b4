/** Axes: values to shares of an axis, 0 to 1, and the values that are labelled. */

import { formatNumber } from '../text.ts';

export interface Tick {
  /** 0 to 1. */
  readonly at: number;
  readonly label: string;
}

export interface LogScale {
  /** 0 to 1; a value below the axis is at 0, one above it or not finite at 1. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

/** Beyond this a value is as good as none beside the largest. */
const mostDecades = 4;

/**
 * Whole decades below the largest of the positive values, as many as they take: two at least, four at most. Undefined
 * where no value is positive and finite.
 */
export function decades(values: readonly number[]): LogScale | undefined {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (positive.length === 0) return undefined;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of positive) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const last = Math.ceil(Math.log10(high));
  const lowest = Math.floor(Math.log10(low));
  const first = Math.max(Math.min(lowest, last - 2), last - mostDecades);
  const ticks: Tick[] = [];
  for (let decade = first; decade <= last; decade += 1) {
    const below = decade === first && lowest < first ? '≤ ' : '';
    ticks.push({ at: (decade - first) / (last - first), label: `${below}${power(decade)}` });
  }
  return {
    at: (value) => {
      if (!Number.isFinite(value)) return 1;
      if (value <= 0) return 0;
      return Math.min(1, Math.max(0, (Math.log10(value) - first) / (last - first)));
    },
    ticks,
  };
}

/** Counts from nothing on: 0 is at 0, and 1, 10, 100, … are labelled. */
export function counts(values: readonly number[]): LogScale {
  const most = values.reduce((max, value) => Math.max(max, value), 1);
  const at = (value: number): number => Math.log10(1 + value) / Math.log10(1 + most);
  const ticks: Tick[] = [{ at: 0, label: '0' }];
  for (let value = 1; value <= most && ticks.length < 12; value *= 10) {
    ticks.push({ at: at(value), label: value < 1e4 ? String(value) : power(Math.log10(value)) });
  }
  return { at, ticks };
}

/** Indices of at most `most` of `n` places, evenly apart, from the first on. */
export function everyNth(n: number, most: number): readonly number[] {
  const step = Math.max(1, Math.ceil(n / most));
  return Array.from({ length: Math.ceil(n / step) }, (_, index) => index * step);
}

/** Round values between the first and the last of ascending edges of bins that are drawn equally wide. */
export function valueTicks(edges: readonly number[]): readonly Tick[] {
  const first = edges.at(0) ?? 0;
  const last = edges.at(-1) ?? 0;
  if (!(last > first)) return [];
  const rough = (last - first) / 5;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * ([1, 2, 5].find((factor) => factor * decade >= rough) ?? 10);
  const ticks: Tick[] = [];
  for (let n = Math.ceil(first / step); n * step <= last; n += 1) {
    // Without what the product's rounding leaves.
    const value = Number((n * step).toPrecision(6));
    const bin = Math.max(
      1,
      edges.findIndex((edge) => edge >= value),
    );
    const low = edges[bin - 1] ?? 0;
    const high = edges[bin] ?? 0;
    ticks.push({
      at: (bin - 1 + (value - low) / (high - low)) / (edges.length - 1),
      label: formatNumber(value),
    });
  }
  return ticks;
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** `10⁻³`. */
function power(exponent: number): string {
  const whole = Math.round(exponent);
  if (whole === 0) return '1';
  if (whole === 1) return '10';
  const digits = [...String(Math.abs(whole))].map((digit) => superscripts[Number(digit)] ?? '').join('');
  return `10${whole < 0 ? '⁻' : ''}${digits}`;
}
