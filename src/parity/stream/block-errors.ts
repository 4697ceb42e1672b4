/**
 * Errors at the end of one part, accumulated over runs in float64. `max` is the largest error over the larger of the
 * element itself and the standard deviation of the reference in its run: residual streams have elements of a thousand
 * deviations, whose rounding is not a fault. The rest is defined as in ../metrics.ts.
 */
import { fail } from '../../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import type { Place } from '../metrics.ts';
import type { BlockMetrics } from '../report/report.ts';
import { blockSums, deviationOf } from '../row-sums.ts';

export class BlockErrors {
  #elements = 0;
  #squaresR = 0;
  #squaresO = 0;
  #squaresE = 0;
  #dot = 0;
  #nonFinite = 0;
  #max = 0;
  #worst = '';
  #firstBad: string | undefined;

  /**
   * Adds a pair of values of the same shape, rows of their last axis. Throws VC6102 when the shapes differ, and
   * VC6104 where the reference is not finite; `name` is for messages.
   */
  add(name: string, reference: RunTensor, output: RunTensor, place: Place): void {
    if (reference.shape.join() !== output.shape.join()) {
      throw fail('VC6102', { where: name, found: `[${output.shape}]`, expected: `[${reference.shape}]` });
    }
    const wanted = toFloat32(reference);
    const found = toFloat32(output);
    const at = (index: number): string => place(Math.floor(index / Math.max(1, reference.shape.at(-1) ?? 1)));
    const sums = blockSums(wanted, found, deviationOf(wanted), this.#max);
    const { badR, badAt, bad, worstAt } = sums;
    if (badR >= 0) throw fail('VC6104', { where: `${name}, ${at(badR)}: ${wanted[badR]}` });
    if (bad > 0) this.#firstBad ??= at(badAt);
    this.#elements += wanted.length - bad;
    this.#nonFinite += bad;
    this.#squaresR += sums.squaresR;
    this.#squaresO += sums.squaresO;
    this.#squaresE += sums.squaresE;
    this.#dot += sums.dot;
    if (worstAt >= 0) {
      this.#max = sums.worst;
      this.#worst = at(worstAt);
    }
  }

  /** Undefined when nothing was compared. */
  finish(): BlockMetrics | undefined {
    if (this.#elements === 0 && this.#nonFinite === 0) return undefined;
    const norms = Math.sqrt(this.#squaresR * this.#squaresO);
    return {
      relative: ratio(Math.sqrt(this.#squaresE), Math.sqrt(this.#squaresR)),
      cosine: norms === 0 ? Number(this.#squaresR === this.#squaresO) : this.#dot / norms,
      max: this.#max,
      worst: this.#firstBad ?? this.#worst,
      nonFinite: this.#nonFinite,
    };
  }
}

function ratio(error: number, unit: number): number {
  return error === 0 ? 0 : error / unit;
}
