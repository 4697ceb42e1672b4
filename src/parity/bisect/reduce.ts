/**
 * Delta debugging (Zeller and Hildebrandt 2002): a small part of a list that still shows a failure. Deterministic;
 * the number of tests is bounded, so that what comes out may be larger than it could be.
 */

export interface Reduction<T> {
  readonly items: readonly T[];
  readonly tests: number;
}

/** `items` show the failure. Order is kept. */
export async function reduce<T>(
  items: readonly T[],
  shows: (items: readonly T[]) => Promise<boolean>,
  mostTests: number,
): Promise<Reduction<T>> {
  let kept = items;
  let pieces = 2;
  let tests = 0;
  const tried = new Set<string>();
  const indices = new Map(items.map((item, index) => [item, index]));
  const check = async (candidate: readonly T[]): Promise<boolean> => {
    const key = candidate.map((item) => indices.get(item)).join();
    if (candidate.length === 0 || tried.has(key) || tests >= mostTests) return false;
    tried.add(key);
    tests += 1;
    return shows(candidate);
  };
  while (kept.length > 1 && tests < mostTests) {
    const parts = split(kept, Math.min(pieces, kept.length));
    const smaller = await firstOf([...parts, ...parts.map((part) => without(kept, part))], check);
    if (smaller !== undefined) {
      pieces = parts.includes(smaller) ? 2 : Math.max(2, pieces - 1);
      kept = smaller;
    } else if (pieces >= kept.length) break;
    else pieces = Math.min(kept.length, pieces * 2);
  }
  return { items: kept, tests };
}

async function firstOf<T>(
  candidates: readonly T[],
  check: (one: T) => Promise<boolean>,
): Promise<T | undefined> {
  for (const candidate of candidates) if (await check(candidate)) return candidate;
  return undefined;
}

/** In pieces of nearly equal length. */
function split<T>(items: readonly T[], pieces: number): readonly (readonly T[])[] {
  const at = (piece: number): number => Math.floor((items.length * piece) / pieces);
  return Array.from({ length: pieces }, (_, piece) => items.slice(at(piece), at(piece + 1)));
}

function without<T>(items: readonly T[], part: readonly T[]): readonly T[] {
  const gone = new Set(part);
  return items.filter((item) => !gone.has(item));
}
