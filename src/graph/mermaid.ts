/**
 * The neighbourhood of a node as a Mermaid flowchart: nodes up to some steps away along values, with the types of the
 * values between them, and at the border what the graph goes on with. The text depends on nothing but the model.
 */

import type { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { formatType } from './types.ts';
import type { Value } from './value.ts';

/** A larger picture is none. */
const mostNodes = 150;

/** The node of this name, or else the one that makes the value of this name; bodies are searched, too. */
export function findNode(model: Model, name: string): Node | undefined {
  const nodes = [...nodesOf(model.graph)];
  return (
    nodes.find((node) => node.name === name) ??
    nodes.find((node) => node.outputs.some((output) => output?.name === name))
  );
}

function* nodesOf(graph: Graph): Generator<Node> {
  for (const node of graph.nodes()) {
    yield node;
    for (const [, body] of node.subgraphs()) yield* nodesOf(body);
  }
}

export function mermaidAround(center: Node, depth: number): string {
  const { shown, left } = neighbours(center, depth);
  const ids = new Map([...shown].map((node, index) => [node, `n${index}`]));
  const leaves = new Map<Value, string>();
  const boxes = [...ids].map(([node, id]) => `${id}["${label(node.op)}<br/>${label(node.name)}"]`);
  const edges: string[] = [];
  const leaf = (value: Value, arms: readonly [string, string]): string => {
    const known = leaves.get(value);
    if (known !== undefined) return known;
    const id = `v${leaves.size}`;
    leaves.set(value, id);
    boxes.push(`${id}${arms[0]}"${label(value.name)}<br/>${label(formatType(value.type))}"${arms[1]}`);
    return id;
  };
  for (const [node, id] of ids) {
    for (const input of node.inputs) {
      if (input === null) continue;
      const producer = input.producer && ids.get(input.producer);
      if (producer !== undefined) edges.push(`${producer} -->|"${label(formatType(input.type))}"| ${id}`);
      // A value that is made beyond the border has round ends, constants stand in a cylinder, inputs are slanted.
      else edges.push(`${leaf(input, armsOf(input))} ${input.producer ? '-.->' : '-->'} ${id}`);
    }
    for (const output of node.outputs) {
      if (output === null) continue;
      const beyond = output.consumers().filter((reader) => !ids.has(reader)).length;
      if (output.isOutput) edges.push(`${id} --> ${leaf(output, ['[\\', '\\]'])}`);
      if (beyond > 0)
        edges.push(`${id} -.-> m${edges.length}(["${beyond === 1 ? 'a reader' : `${beyond} readers`}"])`);
    }
  }
  return [
    'flowchart TD',
    ...[...boxes, ...edges].map((line) => `  ${line}`),
    ...(left > 0 ? [`  %% ${left} more nodes are as near`] : []),
    '  style n0 stroke-width:4px',
    '',
  ].join('\n');
}

function armsOf(value: Value): readonly [string, string] {
  if (value.producer !== undefined) return ['([', '])'];
  return value.isInput ? ['[/', '/]'] : ['[(', ')]'];
}

/** Nodes by distance, those of a step in the order of the graph's values. */
function neighbours(center: Node, depth: number): { shown: ReadonlySet<Node>; left: number } {
  const shown = new Set([center]);
  let left = 0;
  let border: readonly Node[] = [center];
  for (let step = 0; step < depth && border.length > 0; step += 1) {
    const next = new Set<Node>();
    for (const node of border) {
      for (const input of node.inputs) if (input?.producer !== undefined) next.add(input.producer);
      for (const output of node.outputs) for (const reader of output?.consumers() ?? []) next.add(reader);
    }
    border = [...next].filter((node) => !shown.has(node));
    const room = Math.max(mostNodes - shown.size, 0);
    left += border.slice(room).length;
    border = border.slice(0, room);
    for (const node of border) shown.add(node);
  }
  return { shown, left };
}

/** Text in quotes: Mermaid reads `#35;` as the character of that number. */
function label(text: string): string {
  return text.replaceAll(/[#&"<>`\p{Cc}]/gu, (char) => `#${char.codePointAt(0)};`);
}
