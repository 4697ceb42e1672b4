/** Low-rank weight updates in float32: every product and sum is rounded to float32, in a fixed order. */

export interface LowRankFactors {
  /** [rank, columns]. */
  readonly a: Float32Array;
  /** [rows, rank]: the rows of the block that is updated. */
  readonly b: Float32Array;
  readonly rank: number;
  /** Rounded to float32 first, as the graph with factored adapters has it. */
  readonly scale: number;
}

/**
 * base [rows, columns] + sum over updates of scale · B · A, as a new array. The updates of an element are summed
 * first, in order of update and rank, and added to the base once, so that small terms are not lost in it one by one.
 */
export function lowRankUpdate(
  base: Float32Array,
  columns: number,
  updates: readonly LowRankFactors[],
): Float32Array {
  const out = new Float32Array(base.length);
  const sum = new Float32Array(columns);
  const rows = columns === 0 ? 0 : base.length / columns;
  for (let row = 0; row < rows; row++) {
    sum.fill(0);
    for (const { a, b, rank, scale } of updates) {
      for (let r = 0; r < rank; r++) {
        const factor = Math.fround(Math.fround(scale) * (b[row * rank + r] as number));
        const offset = r * columns;
        for (let column = 0; column < columns; column++) {
          const product = Math.fround(factor * (a[offset + column] as number));
          sum[column] = Math.fround((sum[column] as number) + product);
        }
      }
    }
    const offset = row * columns;
    for (let column = 0; column < columns; column++) {
      out[offset + column] = Math.fround((base[offset + column] as number) + (sum[column] as number));
    }
  }
  return out;
}
