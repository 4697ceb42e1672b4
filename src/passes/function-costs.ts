/** How large model-local functions are once every call in them is replaced by its body. */
import type { Graph } from '../graph/graph.ts';
import type { ModelFunction } from '../graph/model.ts';
import { functionKey } from '../graph/verify-functions.ts';
import { allNodes } from '../rewrite/driver.ts';

export interface Cost {
  nodes: number;
  /** Of constants among the attributes. */
  bytes: number;
}

/**
 * The cost of a call of each function, infinite where a function calls itself. Counted from the innermost functions
 * outwards with a stack of our own: chains of calls may be long, and sums grow beyond 2^53, where they only have to
 * be large.
 */
export function functionCosts(
  functions: ReadonlyMap<string, ModelFunction>,
): ReadonlyMap<ModelFunction, Cost> {
  const costs = new Map<ModelFunction, Cost>();
  const open = new Set<ModelFunction>();
  const stack = [...functions.values()];
  for (let each = stack.at(-1); each !== undefined; each = stack.at(-1)) {
    if (costs.has(each)) {
      stack.pop();
      continue;
    }
    const { own, calls } = contents(each.body, functions);
    const waiting = new Set(calls.filter((called) => !costs.has(called)));
    if (waiting.size > 0 && !open.has(each)) {
      open.add(each);
      for (const called of waiting) stack.push(called);
      continue;
    }
    const known = calls.map((called) => costs.get(called) ?? { nodes: Number.POSITIVE_INFINITY, bytes: 0 });
    costs.set(
      each,
      known.reduce((sum, { nodes, bytes }) => ({ nodes: sum.nodes + nodes, bytes: sum.bytes + bytes }), own),
    );
    stack.pop();
  }
  return costs;
}

function contents(
  body: Graph,
  functions: ReadonlyMap<string, ModelFunction>,
): { own: Cost; calls: ModelFunction[] } {
  const own: Cost = { nodes: 0, bytes: 0 };
  const calls: ModelFunction[] = [];
  for (const node of allNodes(body)) {
    own.nodes += 1;
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'tensor') own.bytes += attribute.value.byteLength;
    }
    const called = functions.get(functionKey(node.domain, node.opType, node.overload));
    if (called !== undefined) calls.push(called);
  }
  return { own, calls };
}
