/** How far an array is from the one recorded: worst element, in standard deviations of the recorded one. */

/** Only rows of `rowLength` elements for which `counts` is true are looked at. Throws where nothing is compared. */
export function deviation(
  found: Float32Array,
  expected: Float32Array,
  rows?: { readonly length: number; readonly counts: (row: number) => boolean },
): number {
  if (found.length !== expected.length) throw new Error(`${found.length} elements for ${expected.length}`);
  let count = 0;
  let sum = 0;
  let squares = 0;
  let worst = 0;
  for (const [i, value] of expected.entries()) {
    if (rows !== undefined && !rows.counts(Math.floor(i / rows.length))) continue;
    count += 1;
    sum += value;
    squares += value * value;
    const error = Math.abs((found[i] ?? Number.NaN) - value);
    // NaN must not pass as small, nor be forgotten at the next element.
    if (!(error <= worst) && !Number.isNaN(worst)) worst = error;
  }
  if (count < 2) throw new Error('nothing to compare');
  const std = Math.sqrt(squares / count - (sum / count) ** 2);
  return worst / std;
}
