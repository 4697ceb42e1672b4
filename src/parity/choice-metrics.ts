/**
 * How far choices agree: places [..., r] that were chosen, row by row.
 *
 * - `agreement`: the share of the reference's choices that the output chose, too, wherever they stand
 * - `in-place`: the share of places at which both have the same
 *
 * The numbers that every output has are those of what was chosen as ones among zeros.
 */
import { fail } from '../report/diagnostics.ts';
import type { RunTensor } from '../runtime/values.ts';
import { Comparison, type Place } from './metrics.ts';
import { finish, type OutputResult } from './outputs.ts';

export interface ChoiceMetrics {
  readonly agreement: number;
  readonly inPlace: number;
  /** Choices of the reference. */
  readonly n: number;
}

/** Accumulates comparisons of choices. */
export class ChoiceComparison {
  readonly #numbers = new Comparison({ logits: false });
  #agreed = 0;
  #inPlace = 0;
  #n = 0;

  get isEmpty(): boolean {
    return this.#n === 0;
  }

  /** Throws VC6102 where the shapes differ. */
  add(name: string, reference: RunTensor, output: RunTensor, place: Place): void {
    if (reference.shape.join() !== output.shape.join()) {
      throw fail('VC6102', { where: name, found: `[${output.shape}]`, expected: `[${reference.shape}]` });
    }
    const [wanted, found] = [placesOf(reference), placesOf(output)];
    const width = Math.max(1, ...wanted.map((at) => at + 1), ...found.map((at) => at + 1));
    const row = rowLength(reference.shape);
    for (let from = 0; from < wanted.length; from += row) {
      const [own, other] = [wanted.slice(from, from + row), found.slice(from, from + row)];
      const kept = new Set(other);
      this.#agreed += own.filter((at) => kept.has(at)).length;
      this.#inPlace += own.filter((at, index) => at === other[index]).length;
      this.#n += own.length;
      this.#numbers.add(
        { data: among(own, width), width, place: () => place(from / row) },
        among(other, width),
      );
    }
  }

  finish(name: string, component: string, feed: OutputResult['feed']): OutputResult {
    const result = finish('choices', name, component, feed, this.#numbers);
    const choices: ChoiceMetrics = {
      agreement: this.#agreed / this.#n,
      inPlace: this.#inPlace / this.#n,
      n: this.#n,
    };
    return { ...result, metrics: { ...result.metrics, choices } };
  }
}

/** Axes of one element behind are how a graph writes them down. */
function rowLength(shape: readonly number[]): number {
  return shape.findLast((size) => size > 1) ?? 1;
}

function placesOf({ data }: RunTensor): readonly number[] {
  return Array.from(data, Number);
}

/** Ones at these places among zeros. */
function among(places: readonly number[], width: number): Float32Array {
  const row = new Float32Array(width);
  for (const at of places) if (at >= 0) row[at] = 1;
  return row;
}
