/**
 * How errors are distributed, in one pass and bounded memory: counts by sign, exponent and seven bits of the
 * mantissa of the error rounded to float32. A bucket is at most 2^-7 of its values wide, so a quantile read from its
 * middle is off by at most 2^-8 of itself; counts between edges of few bits are exact.
 */

/** Counts between edges; the first and the last bin hold what lies beyond. */
export interface Histogram {
  /** One more than counts. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Bits of a float32 below a bucket's: 23 of the mantissa less the 7 that tell buckets apart. */
const below = 16;
/** Buckets of one sign: a sign bit and as many again follow. */
const half = 2 ** 15;
/** Bins on either side of the one around zero, at most. */
const mostBins = 32;

export class ErrorDistribution {
  /** By the upper half of the error's float32 bits: positive errors, then negative ones. 512 KiB. */
  readonly #counts = new Float64Array(2 * half);
  #total = 0;

  /** Adds finite errors. */
  add(errors: Float32Array): void {
    const bits = new Uint32Array(errors.buffer, errors.byteOffset, errors.length);
    for (let i = 0; i < bits.length; i += 1) {
      const bucket = (bits[i] as number) >>> below;
      this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    }
    this.#total += bits.length;
  }

  /** The least |error| that a `share` of all does not exceed; 0 when nothing was added. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < half; bucket += 1) {
      seen += (this.#counts[bucket] ?? 0) + (this.#counts[bucket + half] ?? 0);
      if (seen >= wanted) return bucket === 0 ? 0 : (edge(bucket) + edge(bucket + 1)) / 2;
    }
    return 0;
  }

  /**
   * Bins of equal width around zero, wide enough for 99.9 % of the errors, edges in units of `unit`; undefined when
   * no error differs from zero, and where they are beyond what buckets tell apart.
   */
  histogram(unit: number): Histogram | undefined {
    const reach = this.quantile(0.999) || this.quantile(1);
    if (reach === 0 || !Number.isFinite(reach)) return undefined;
    // A power of two: then the edges, odd multiples of its half, are edges of buckets as well.
    const step = 2 ** Math.ceil(Math.log2(reach / mostBins));
    const sides = Math.ceil(reach / step);
    const counts = new Array<number>(2 * sides + 1).fill(0);
    for (const [bucket, count] of this.#counts.entries()) {
      if (count === 0) continue;
      const bin = Math.min(sides, Math.floor(edge(bucket % half) / step + 0.5));
      const at = bucket < half ? sides + bin : sides - bin;
      counts[at] = (counts[at] ?? 0) + count;
    }
    const edges = Array.from({ length: 2 * sides + 2 }, (_, at) => ((at - sides - 0.5) * step) / unit);
    return { edges, counts };
  }
}

/** The least number of a bucket of positive errors. */
function edge(bucket: number): number {
  return new Float32Array(Uint32Array.of(bucket << below).buffer)[0] ?? 0;
}
