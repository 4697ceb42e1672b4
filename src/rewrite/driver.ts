/**
 * Applies rules until none matches: a worklist over the nodes of a graph and its subgraphs, in order. After a
 * rewrite, the new nodes and the readers of replaced values come back to the list, and what nobody reads any
 * more is removed. The number of rewrites is bounded, so that rules that undo each other cannot hang.
 */
import type { TypeInference } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import { removeDeadNode } from './dead-code.ts';
import { isFailure } from './matcher.ts';
import { metadataKeys, Rewriter } from './rewriter.ts';
import type { Rule } from './rule.ts';

/** A place where a rule began to match and stopped. */
export interface Miss {
  readonly rule: string;
  readonly node: string;
  readonly reason: string;
  readonly depth: number;
  /** What an architecture says that the node computes (`vlm-convert.calls`). */
  readonly calls?: string;
}

export interface RewriteReport {
  /** Rewrites per rule; every rule has an entry. */
  readonly applied: ReadonlyMap<string, number>;
  /** Misses of two nodes or more, the closest first. */
  readonly misses: readonly Miss[];
  /** The graph changed. */
  readonly changed: boolean;
}

export function applyRules(graph: Graph, rules: readonly Rule[], infer: TypeInference): RewriteReport {
  const byRoot = new Map<string, Rule[]>();
  for (const rule of rules) {
    for (const root of rule.roots) byRoot.set(root, [...(byRoot.get(root) ?? []), rule]);
  }
  const applied = new Map(rules.map((rule) => [rule.name, 0]));
  const misses = new Map<Node, Miss>();

  const worklist = new Worklist(allNodes(graph));
  let budget = 100 + 8 * worklist.size;
  let changed = false;
  for (let node = worklist.take(); node !== undefined; node = worklist.take()) {
    for (const rule of byRoot.get(node.op) ?? []) {
      const attempt = rule.attempt(node);
      if (isFailure(attempt)) {
        const { reason, depth } = attempt;
        const calls = node.metadata.get(metadataKeys.calls);
        if (depth > (misses.get(node)?.depth ?? 1))
          misses.set(node, {
            rule: rule.name,
            node: node.name,
            reason,
            depth,
            ...(calls === undefined ? {} : { calls }),
          });
        continue;
      }
      budget -= 1;
      if (budget < 0) throw new RangeError(`rule ${rule.name} does not come to an end at ${node.name}`);
      const rewriter = new Rewriter(node, attempt.nodes, infer);
      attempt.apply(rewriter);
      changed = true;
      applied.set(rule.name, (applied.get(rule.name) ?? 0) + 1);
      for (const fresh of rewriter.created) worklist.add(fresh);
      for (const reader of rewriter.disturbed) worklist.add(reader);
      for (const covered of attempt.nodes) {
        misses.delete(covered);
        for (const removed of removeDeadNode(covered)) worklist.delete(removed);
      }
      break;
    }
  }
  return { applied, misses: [...misses.values()].sort((a, b) => b.depth - a.depth), changed };
}

/** Every node of a graph and of the graphs inside it. */
export function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes()) {
    for (const [, inner] of node.subgraphs()) yield* allNodes(inner);
    yield node;
  }
}

/** First in, first out, each node at most once at a time. */
class Worklist {
  readonly #nodes: Set<Node>;

  constructor(nodes: Iterable<Node>) {
    this.#nodes = new Set(nodes);
  }

  get size(): number {
    return this.#nodes.size;
  }

  add(node: Node): void {
    this.#nodes.add(node);
  }

  delete(node: Node): void {
    this.#nodes.delete(node);
  }

  take(): Node | undefined {
    for (const node of this.#nodes) {
      this.#nodes.delete(node);
      return node;
    }
    return undefined;
  }
}
