/**
 * What a fusion recognised and no operator may take the place of: the last node says what it means, which the census
 * counts, and the report says why.
 */
import type { Node } from '../../graph/node.ts';
import { beforeCasts, beforeRounding } from '../../rewrite/constants.ts';
import { isFailure } from '../../rewrite/matcher.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import { type Rule, type RuleSpec, rule } from '../../rewrite/rule.ts';
import type { Meaning } from '../census.ts';
import type { PassContext } from '../pass.ts';

/** Reasons and the nodes that each held for. */
export type Kept = Map<string, Node[]>;

export function mark(last: Node, meaning: Meaning, reason: string, kept: Kept): void {
  last.metadata.set(metadataKeys.means, meaning);
  kept.set(reason, [...(kept.get(reason) ?? []), last]);
}

/**
 * The rule of a specification, also where types change inside: it must write the output in the output's type. Where it
 * does not apply, since what stands inside is quantized or read by others, but the nodes mean what its pattern says,
 * they are marked, with the reason why it does not apply.
 */
export function meaningRule<N extends string, C extends object>(
  meaning: Meaning,
  kept: Kept,
  spec: RuleSpec<N, C>,
): Rule {
  const [exact, cast, rounded] = [rule(spec), between('casts'), between('rounding')];
  function between(kind: 'casts' | 'rounding'): Rule {
    return rule({ ...spec, between: kind });
  }
  return {
    ...exact,
    attempt: (root) => {
      if (root.metadata.has(metadataKeys.means))
        return { reason: `${root.name} is known and stays`, depth: 1 };
      const attempt = exact.attempt(root);
      if (!isFailure(attempt)) return attempt;
      const meant = rounded.attempt(root);
      if (isFailure(meant)) return attempt;
      const among = cast.attempt(root);
      if (!isFailure(among)) return among;
      const hasRounding = meant.nodes.some((node) =>
        node.inputs.some((input) => input !== null && beforeRounding(input) !== beforeCasts(input)),
      );
      const reason = hasRounding ? 'values inside are quantized' : among.reason;
      return { nodes: meant.nodes, apply: () => mark(root, meaning, reason, kept) };
    },
  };
}

export function noteKept(kept: Kept, cx: PassContext, what: string): void {
  for (const [reason, nodes] of kept) {
    cx.note(`${what} stays spelled out ${nodes.length} times, first at ${nodes[0]?.name}: ${reason}`);
  }
}
