/**
 * Errors at the end of one part, accumulated over runs in float64. `max` is the largest error over the larger of the
 * element itself and the standard deviation of the reference in its run: residual streams have elements of a thousand
 * deviations, whose rounding is not a fault. The rest is defined as in ../metrics.ts.
 */
import { fail } from '../../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import type { Place } from '../metrics.ts';
import type { BlockMetrics } from '../report/report.ts';

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
    const { length } = wanted;
    let [sum, squaresR, squaresO, squaresE, dot] = [0, 0, 0, 0, 0];
    for (let i = 0; i < length; i += 1) {
      const r = wanted[i] as number;
      sum += r;
      squaresR += r * r;
    }
    const mean = sum / Math.max(length, 1);
    const std = Math.sqrt(Math.max(squaresR / Math.max(length, 1) - mean * mean, 0));
    let [worst, worstAt] = [this.#max, -1];
    let bad = 0;
    for (let i = 0; i < length; i += 1) {
      const r = wanted[i] as number;
      const o = found[i] as number;
      const error = o - r;
      const square = error * error;
      // One test for both: a difference is finite only where both are.
      if (!(square < Number.POSITIVE_INFINITY)) {
        if (!Number.isFinite(r)) throw fail('VC6104', { where: `${name}, ${at(i)}: ${r}` });
        bad += 1;
        squaresR -= r * r;
        this.#firstBad ??= at(i);
        continue;
      }
      squaresO += o * o;
      squaresE += square;
      dot += r * o;
      const size = r < 0 ? -r : r;
      const unit = size > std ? size : std;
      const large = worst * unit;
      if (square > large * large) {
        worst = ratio(Math.abs(error), unit);
        worstAt = i;
      }
    }
    this.#elements += length - bad;
    this.#nonFinite += bad;
    this.#squaresR += squaresR;
    this.#squaresO += squaresO;
    this.#squaresE += squaresE;
    this.#dot += dot;
    if (worstAt >= 0) {
      this.#max = worst;
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
