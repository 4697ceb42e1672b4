/**
 * Which values of a graph that passes made are those of the graph they were made from: of the same name, or made by
 * nodes that say which nodes they came from (metadata `vlm-convert.from`) and hand on one value, as those did.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { Dim } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys, mostSources } from '../../rewrite/rewriter.ts';

export interface ValuePair {
  readonly before: Value;
  readonly after: Value;
}

/** Values that nodes of the main graphs make, in the order of the second graph; each in one pair at most. */
export function pairValues(before: Graph, after: Graph): readonly ValuePair[] {
  const pairs = new Map<Value, Value>();
  for (const node of after.nodes()) {
    for (const value of made(node)) {
      const same = before.value(value.name);
      if (same?.producer === undefined || !sameShape(same, value)) continue;
      // A name that a pass freed may have been given to a node that it made.
      if (sameOrigins(same.producer, node)) pairs.set(value, same);
    }
  }
  const taken = new Set(pairs.values());
  const all = [...before.nodes()];
  for (const [sources, group] of groupBySources(after)) {
    const given = onlyExit(all.filter((node) => originsOf(node).every((name) => sources.has(name))));
    const value = onlyExit(group);
    if (given === undefined || value === undefined || pairs.has(value) || taken.has(given)) continue;
    // A fusion may take over a step of layout before or behind.
    if (!sameShape(given, value)) continue;
    pairs.set(value, given);
    taken.add(given);
  }
  return [...after.nodes()].flatMap((node) =>
    made(node).flatMap((value) => {
      const source = pairs.get(value);
      return source === undefined ? [] : [{ before: source, after: value }];
    }),
  );
}

/** Nodes that came from the same nodes of an earlier graph; left out where not all of these are known. */
function groupBySources(graph: Graph): readonly (readonly [ReadonlySet<string>, readonly Node[]])[] {
  const groups = new Map<string, Node[]>();
  for (const node of graph.nodes()) {
    const from = node.metadata.get(metadataKeys.from);
    if (from === undefined || from.split(' ').length >= mostSources) continue;
    groups.set(from, [...(groups.get(from) ?? []), node]);
  }
  return [...groups].map(([from, nodes]) => [new Set(from.split(' ')), nodes]);
}

function originsOf(node: Node): readonly string[] {
  return node.metadata.get(metadataKeys.from)?.split(' ') ?? [node.name];
}

function sameOrigins(before: Node, after: Node): boolean {
  const from = after.metadata.get(metadataKeys.from);
  return from === undefined || from === before.metadata.get(metadataKeys.from);
}

/** The one value that nodes make and others read, or the graph's user. */
function onlyExit(nodes: readonly Node[]): Value | undefined {
  const own = new Set(nodes);
  const [exit, ...more] = nodes.flatMap((node) =>
    made(node).filter((value) => value.isOutput || value.consumers().some((reader) => !own.has(reader))),
  );
  return more.length === 0 ? exit : undefined;
}

function made(node: Node): readonly Value[] {
  return node.outputs.filter((value) => value !== null);
}

/** As far as shapes are known. */
function sameShape(a: Value, b: Value): boolean {
  const [first, second] = [a, b].map(({ type }) => (type?.kind === 'tensor' ? type.shape : undefined));
  if (first === undefined || second === undefined) return false;
  return first.length === second.length && first.every((size, axis) => agree(size, second[axis]));
}

function agree(a: Dim | undefined, b: Dim | undefined): boolean {
  return typeof a !== 'number' || typeof b !== 'number' || a === b;
}
