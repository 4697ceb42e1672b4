/** If with a constant condition: the nodes of the branch that is taken stand in its place. */
import { type Copies, cloneNode } from '../../graph/clone.ts';
import type { Graph } from '../../graph/graph.ts';
import { inferNode } from '../../graph/infer/infer.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { constantScalar } from '../../rewrite/constants.ts';
import { allNodes } from '../../rewrite/driver.ts';
import { metadataKeys, type Rewriter } from '../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';

export const constantBranches: Rule = nodeRule<{ node: Node; branch: Graph }>({
  name: 'constant-branch',
  roots: ['If'],
  inspect: (node) => {
    const condition = constantScalar(node.input(0));
    if (condition === undefined) return 'the condition is no constant';
    const branch = node.attributes.get(condition === 0 ? 'else_branch' : 'then_branch');
    if (branch?.kind !== 'graph' || branch.value.sparseInitializers.size > 0)
      return 'no branch that can be copied';
    return { node, branch: branch.value };
  },
  rewrite: ({ node, branch }, rewriter) => inline(node, branch, rewriter),
});

function inline(node: Node, branch: Graph, rewriter: Rewriter): void {
  const { graph } = node;
  const copies: Copies = new Map();
  for (const value of readFromOutside(branch)) copies.set(value, value);
  for (const value of branch.initializers()) {
    copies.set(value, graph.addInitializer(graph.freshName(value.name), value.initializer));
  }
  for (const inner of branch.nodes()) {
    const copy = cloneNode(
      inner,
      graph,
      copies,
      {
        nodeName: (name) => name,
        valueName: (name) => graph.freshName(name),
        attribute: (attribute) => attribute,
        metadata: (each) => new Map([[metadataKeys.from, each.name], ...each.metadata]),
      },
      node,
    );
    inferNode(graph, copy);
  }
  for (const [index, output] of node.outputs.entries()) {
    const given = branch.outputs[index];
    const result = given === undefined ? undefined : copies.get(given);
    if (output === null) continue;
    if (result === undefined || result === null)
      throw new RangeError(`the branch does not give ${output.name}`);
    rewriter.replace(output, result);
  }
}

/** What a body reads that is not its own, or its bodies'. */
function* readFromOutside(body: Graph): Generator<Value> {
  const inside = new Set([body, ...[...allNodes(body)].map(({ graph }) => graph)]);
  for (const node of allNodes(body)) {
    for (const value of node.inputs) if (value !== null && !inside.has(value.graph)) yield value;
  }
}
