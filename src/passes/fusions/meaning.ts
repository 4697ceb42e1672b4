/**
 * What a fusion recognised and no operator may take the place of: the last node says what it means, which the census
 * counts, and the report says why.
 */
import type { Node } from '../../graph/node.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import type { Meaning } from '../census.ts';
import type { PassContext } from '../pass.ts';

/** Reasons and how often each held. */
export type Kept = Map<string, number>;

export function mark(last: Node, meaning: Meaning, reason: string, kept: Kept): void {
  last.metadata.set(metadataKeys.means, meaning);
  kept.set(reason, (kept.get(reason) ?? 0) + 1);
}

/** Why a node that was marked before is not looked at again. */
export function isMarked(last: Node): string | undefined {
  return last.metadata.has(metadataKeys.means) ? `${last.name} is known and stays` : undefined;
}

export function noteKept(kept: Kept, cx: PassContext, what: string): void {
  for (const [reason, count] of kept) cx.note(`${what} stays spelled out at ${count} places: ${reason}`);
}
