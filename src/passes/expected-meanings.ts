/**
 * What an architecture says its graph calls (`vlm-convert.calls`, one node per call) against what a graph that passes made
 * of it means (census.ts): a call that no pass recognised is one that a target runs spelled out.
 */
import type { Model } from '../graph/model.ts';
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';
import { allNodes } from '../rewrite/driver.ts';
import { metadataKeys } from '../rewrite/rewriter.ts';
import { census, type Meaning, meanings } from './census.ts';

/** Calls by what they are, as the architecture counts them. */
export function expectedMeanings(model: Model): ReadonlyMap<Meaning, number> {
  const expected = new Map<Meaning, number>();
  for (const node of allNodes(model.graph)) {
    const meaning = meanings.find((each) => each === node.metadata.get(metadataKeys.calls));
    if (meaning !== undefined) expected.set(meaning, (expected.get(meaning) ?? 0) + 1);
  }
  return expected;
}

/**
 * A warning for every meaning of which less is found in `made` than `expected`, with the first node of a call that is
 * still spelled out where there is one.
 */
export function missedMeanings(
  where: string,
  expected: ReadonlyMap<Meaning, number>,
  made: Model,
): readonly DiagnosticRecord[] {
  const counts = census(made);
  return [...expected].flatMap(([meaning, calls]) => {
    const found = counts.get(meaning)?.found ?? 0;
    if (found >= calls) return [];
    const left = [...allNodes(made.graph)].find((node) => node.metadata.get(metadataKeys.calls) === meaning);
    return [
      diagnostic('VC3304', {
        where,
        found: `${meaning}: ${found} of ${calls}${left === undefined ? '' : `, the first that is not: ${left.name}`}`,
      }),
    ];
  });
}
