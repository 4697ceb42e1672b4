/** Removes what nobody reads: nodes, then the nodes that only they read, and constants. */
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';

/** Whether a value is read by a node or is an output of its graph. */
function isRead(value: Value): boolean {
  return value.uses.size > 0 || value.isOutput;
}

/**
 * Removes a node that nobody reads and, upwards, what only it read. Returns the removed nodes, none when the
 * node is still read. Constants stay: see removeDeadCode.
 */
export function removeDeadNode(node: Node): Node[] {
  const removed: Node[] = [];
  const pending = [node];
  const gone = new Set<Node>();
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (gone.has(next) || next.outputs.some((output) => output !== null && isRead(output))) continue;
    if (next.outputs.length === 0) continue;
    const inputs = [...next.inputs];
    // A node may have gone with an earlier call; its graph then does not know it any more.
    if (next.graph.value(next.outputs.find((output) => output !== null)?.name ?? '')?.producer !== next)
      continue;
    next.graph.removeNode(next);
    gone.add(next);
    removed.push(next);
    for (const input of inputs) if (input?.producer !== undefined) pending.push(input.producer);
  }
  return removed;
}

export interface DeadCode {
  readonly nodes: number;
  readonly constants: number;
}

/** Removes every node and constant of a graph, and of the graphs inside it, that no output needs. */
export function removeDeadCode(graph: Graph): DeadCode {
  let nodes = 0;
  let constants = 0;
  for (const node of [...graph.nodes()].reverse()) {
    if (node.graph === graph) nodes += removeDeadNode(node).length;
  }
  for (const node of graph.nodes()) {
    for (const [, inner] of node.subgraphs()) {
      const dead = removeDeadCode(inner);
      nodes += dead.nodes;
      constants += dead.constants;
    }
  }
  for (const value of [...graph.initializers()]) {
    if (isRead(value) || value.isInput) continue;
    graph.removeInitializer(value);
    constants += 1;
  }
  return { nodes, constants };
}
