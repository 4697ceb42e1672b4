/** Variants of a family that would run through the same keys and compute something else. */
import type { ConfigReader } from '../formats/checkpoint/config.ts';
import { fail } from '../report/diagnostics.ts';
import { list } from '../report/show.ts';

/** Throws VC1232 unless the key says one of `known`; absent, it says `fallback`. */
export function requireVariant(
  reader: ConfigReader,
  key: string,
  known: readonly string[],
  fallback: string,
): void {
  const found = reader.string(key, { default: fallback });
  if (known.includes(found)) return;
  throw fail('VC1232', {
    where: reader.place(key),
    found: JSON.stringify(found).slice(0, 200),
    expected: list(known),
  });
}
