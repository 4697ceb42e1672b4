/** Errors at the end of one part, accumulated over runs in float64; definitions as in ../metrics.ts. */
import { fail } from '../../report/diagnostics.ts';
import { type RunTensor, toFloat32 } from '../../runtime/values.ts';
import type { Place } from '../metrics.ts';
import type { BlockMetrics } from '../report/report.ts';

export class BlockErrors {
  #elements = 0;
  #sum = 0;
  #squaresR = 0;
  #squaresO = 0;
  #squaresE = 0;
  #dot = 0;
  #nonFinite = 0;
  #maxAbs = 0;
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
    let [worst, worstAt] = [this.#maxAbs, -1];
    for (let i = 0; i < wanted.length; i += 1) {
      const r = wanted[i] ?? 0;
      const o = found[i] ?? 0;
      const error = o - r;
      const square = error * error;
      // One test for both: a difference is finite only where both are.
      if (!(square < Number.POSITIVE_INFINITY)) {
        if (!Number.isFinite(r)) throw fail('VC6104', { where: `${name}, ${at(i)}: ${r}` });
        this.#nonFinite += 1;
        this.#firstBad ??= at(i);
        continue;
      }
      this.#elements += 1;
      this.#sum += r;
      this.#squaresR += r * r;
      this.#squaresO += o * o;
      this.#squaresE += square;
      this.#dot += r * o;
      if (square > worst * worst) {
        worst = Math.abs(error);
        worstAt = i;
      }
    }
    if (worstAt >= 0) {
      this.#maxAbs = worst;
      this.#worst = at(worstAt);
    }
  }

  /** Undefined when nothing was compared. */
  finish(): BlockMetrics | undefined {
    const n = this.#elements;
    if (n === 0 && this.#nonFinite === 0) return undefined;
    const mean = this.#sum / Math.max(n, 1);
    const std = Math.sqrt(Math.max(this.#squaresR / Math.max(n, 1) - mean * mean, 0));
    const norms = Math.sqrt(this.#squaresR * this.#squaresO);
    return {
      relative: ratio(Math.sqrt(this.#squaresE), Math.sqrt(this.#squaresR)),
      cosine: norms === 0 ? Number(this.#squaresR === this.#squaresO) : this.#dot / norms,
      max: ratio(this.#maxAbs, std),
      worst: this.#firstBad ?? this.#worst,
      nonFinite: this.#nonFinite,
    };
  }
}

function ratio(error: number, unit: number): number {
  return error === 0 ? 0 : error / unit;
}
