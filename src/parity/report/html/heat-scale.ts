/**
 * The colours of a heat map: bins of equal width in the logarithm. The scale begins below the median and
 * spans two decades beyond it at least, so that the even noise of a sound conversion is pale, and a fault is not.
 */

/** Classes `h0` to `h11` of the page's style. */
export const heatBins = 12;

export interface HeatScale {
  readonly low: number;
  readonly high: number;
  /** 0 to heatBins - 1; what is not finite is in the last. */
  readonly bin: (error: number) => number;
}

/** Undefined where no error is positive. */
export function heatScale(errors: readonly number[]): HeatScale | undefined {
  const positive = errors.filter((error) => error > 0 && Number.isFinite(error)).sort((a, b) => a - b);
  if (positive.length === 0) {
    return errors.some((error) => !Number.isFinite(error)) ? scale(0.1, 1) : undefined;
  }
  const at = (share: number): number => positive[Math.floor(share * (positive.length - 1))] ?? 0;
  const median = at(0.5);
  return scale(Math.max(median / 4, at(1) / 1e7), Math.max(at(1), median * 100));
}

function scale(low: number, high: number): HeatScale {
  return {
    low,
    high,
    bin: (error) => {
      if (!Number.isFinite(error)) return heatBins - 1;
      if (error <= low) return 0;
      const share = Math.log(error / low) / Math.log(high / low);
      return Math.min(heatBins - 1, Math.floor(share * heatBins));
    },
  };
}
