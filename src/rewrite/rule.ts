/**
 * A rule: a pattern, a refinement that may still refuse or compute more, and the rewrite. Matching and refining
 * are pure; what they return carries everything that the rewrite needs.
 */
import type { Node } from '../graph/node.ts';
import { type Between, isFailure, type Match, type MatchFailure, matchPattern } from './matcher.ts';
import { type OpPattern, type ProductPattern, productOps } from './pattern.ts';
import type { Rewriter } from './rewriter.ts';

export interface Rule {
  readonly name: string;
  /** Operators that its root can be. */
  readonly roots: readonly string[];
  attempt(root: Node): Attempt | MatchFailure;
}

/** A match that is ready to be applied. */
export interface Attempt {
  /** The nodes whose work the rewrite takes over. */
  readonly nodes: readonly Node[];
  apply(rewriter: Rewriter): void;
}

export interface RuleSpec<N extends string, C> {
  readonly name: string;
  readonly pattern: OpPattern<N> | ProductPattern<N>;
  /** A string says why the match is refused. */
  readonly refine: (match: Match<N>) => C | string;
  readonly rewrite: (captures: C, rewriter: Rewriter) => void;
  /** What may stand between the nodes: nothing unless said. */
  readonly between?: Between;
}

/** A rule over a pattern. */
export function rule<N extends string, C extends object>(spec: RuleSpec<N, C>): Rule {
  return {
    name: spec.name,
    roots: spec.pattern.kind === 'op' ? spec.pattern.ops : productOps,
    attempt: (root) => {
      const match = matchPattern(spec.pattern, root, spec.between);
      if (isFailure(match)) return match;
      const captures = spec.refine(match);
      if (typeof captures === 'string') return { reason: captures, depth: match.nodes.length + 1 };
      return { nodes: match.nodes, apply: (rewriter) => spec.rewrite(captures, rewriter) };
    },
  };
}

/** A rule about one node, for folds that look at its operator and inputs only. */
export function nodeRule<C extends object>(spec: {
  readonly name: string;
  readonly roots: readonly string[];
  readonly inspect: (node: Node) => C | string;
  readonly rewrite: (captures: C, rewriter: Rewriter) => void;
}): Rule {
  return {
    name: spec.name,
    roots: spec.roots,
    attempt: (root) => {
      const captures = spec.inspect(root);
      if (typeof captures === 'string') return { reason: captures, depth: 1 };
      return { nodes: [root], apply: (rewriter) => spec.rewrite(captures, rewriter) };
    },
  };
}
