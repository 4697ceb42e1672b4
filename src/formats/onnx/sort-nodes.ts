/**
 * Nodes in an order in which everything is made before it is read. Files have to be in such an order already, and tools
 * write others all the same (onnxconverter-common's float16), which onnxruntime runs.
 */
import type { GraphProto, NodeProto } from './proto.ts';

/** The nodes as they stand where that is in order, or where no order is: then a cycle is among them. */
export function sortedNodes(nodes: readonly NodeProto[]): readonly NodeProto[] {
  const makers = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    for (const output of node.output ?? []) if (!makers.has(output)) makers.set(output, index);
  }
  const needs = nodes.map((node) => {
    const made = [...namesRead(node)].map((name) => makers.get(name));
    return made.filter((maker) => maker !== undefined);
  });
  if (needs.every((makersOf, index) => makersOf.every((maker) => maker < index))) return nodes;
  const order = inOrder(needs);
  return order === undefined ? nodes : order.flatMap((index) => nodes[index] ?? []);
}

/** Depth first, in the order of the file; undefined where something needs itself. */
function inOrder(needs: readonly (readonly number[])[]): readonly number[] | undefined {
  const states = new Array<'open' | 'done' | undefined>(needs.length);
  const order: number[] = [];
  for (const start of needs.keys()) {
    const path = [{ index: start, next: 0 }];
    if (states[start] === 'done') continue;
    states[start] = 'open';
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const need = needs[top.index]?.[top.next];
      top.next += 1;
      if (need === undefined) {
        states[top.index] = 'done';
        order.push(top.index);
        path.pop();
      } else if (states[need] === 'open') {
        return undefined;
      } else if (states[need] === undefined) {
        states[need] = 'open';
        path.push({ index: need, next: 0 });
      }
    }
  }
  return order;
}

/** What a node reads, itself or anywhere in its bodies; names that bodies make for themselves are among them. */
function namesRead(node: NodeProto): ReadonlySet<string> {
  const names = new Set(node.input ?? []);
  const bodies: GraphProto[] = bodiesOf(node);
  for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
    for (const output of body.output ?? []) names.add(output.name ?? '');
    for (const inner of body.node ?? []) {
      for (const input of inner.input ?? []) names.add(input);
      bodies.push(...bodiesOf(inner));
    }
  }
  names.delete('');
  return names;
}

function bodiesOf(node: NodeProto): GraphProto[] {
  return (node.attribute ?? []).flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
}
