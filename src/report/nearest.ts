/** "Did you mean": the known words nearest to one that is not known, by edit distance. */

/** Longer words are compared by their ends only: the cost stays bounded whatever a file holds. */
const longest = 256;

/**
 * The candidates nearest to `word`, nearest first, ties in the order given; none further away than a third of
 * the word's length (at least 2 edits). Case counts as a quarter of an edit, so `INT4` finds `int4`.
 */
export function nearest(word: string, candidates: Iterable<string>, limit = 1): string[] {
  const from = word.slice(-longest);
  const reach = Math.max(2, Math.floor(from.length / 3));
  const found: { candidate: string; distance: number }[] = [];
  for (const candidate of candidates) {
    const to = candidate.slice(-longest);
    if (Math.abs(to.length - from.length) > reach) continue;
    const distance = editDistance(from, to, reach);
    if (distance <= reach && distance < Math.max(from.length, to.length)) {
      found.push({ candidate, distance });
    }
  }
  found.sort((a, b) => a.distance - b.distance);
  return found.slice(0, limit).map((entry) => entry.candidate);
}

/** A hint for a diagnostic, or undefined where nothing is near: `did you mean "llava"?`. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const [best] = nearest(word, candidates);
  return best === undefined ? undefined : `did you mean ${JSON.stringify(best)}?`;
}

/** Insertions, deletions and substitutions cost 1; gives up (Infinity) once every path is beyond `reach`. */
function editDistance(a: string, b: string, reach: number): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j += 1) {
      // Only a band of 2 * reach around the diagonal can hold a distance within reach.
      if (Math.abs(i - j) > reach) {
        row.push(Number.POSITIVE_INFINITY);
        continue;
      }
      const cost = Math.min(
        at(previous, j) + 1,
        at(row, j - 1) + 1,
        at(previous, j - 1) + substitution(a, i - 1, b, j - 1),
      );
      row.push(cost);
      least = Math.min(least, cost);
    }
    if (least > reach) return Number.POSITIVE_INFINITY;
    previous = row;
  }
  return at(previous, b.length);
}

function substitution(a: string, i: number, b: string, j: number): number {
  const x = a.charAt(i);
  const y = b.charAt(j);
  if (x === y) return 0;
  return x.toLowerCase() === y.toLowerCase() ? 0.25 : 1;
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
