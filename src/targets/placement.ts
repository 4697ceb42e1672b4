/**
 * Which nodes of a graph a target has no kernel for: its provider leaves them to another one, with copies there and back,
 * or refuses the graph. Nodes that take integers alone are left out: shapes and positions are the CPU's everywhere.
 */
import type { Graph } from '../graph/graph.ts';
import type { Model } from '../graph/model.ts';
import type { Node } from '../graph/node.ts';
import { opSchema, typeTag } from '../graph/op-schema.ts';
import type { Value } from '../graph/value.ts';
import { type DiagnosticRecord, diagnostic } from '../report/diagnostics.ts';
import { missingKernel, type Target } from './target.ts';

export interface LeftNode {
  readonly node: Node;
  readonly reason: string;
}

/** In the order of the graph, nodes of its subgraphs after the one that holds them. */
export function nodesLeft(model: Model, target: Target): readonly LeftNode[] {
  const left: LeftNode[] = [];
  visit(model.graph, (node) => {
    const version = model.opsetImports.get(node.domain);
    // A call of a function of the model: its body is what runs.
    if (
      version === undefined ||
      model.functions.some(({ name, domain }) => name === node.opType && domain === node.domain)
    )
      return;
    const reason = reasonOf(node, version, target);
    if (reason !== undefined) left.push({ node, reason });
  });
  return left;
}

/** A warning for each target and operator of which nodes are left, with the name of the first. */
export function placementWarnings(
  where: string,
  model: Model,
  targets: readonly Target[],
): readonly DiagnosticRecord[] {
  return targets.flatMap((target) => {
    const groups = new Map<string, LeftNode[]>();
    for (const left of nodesLeft(model, target)) {
      const key = `${left.node.op}: ${left.reason}`;
      groups.set(key, [...(groups.get(key) ?? []), left]);
    }
    return [...groups].map(([what, nodes]) => {
      const more = nodes.length === 1 ? '' : ` and ${nodes.length - 1} more`;
      return diagnostic('VC3303', {
        where: `${where} on ${target.id}`,
        found: `${nodes[0]?.node.name}${more}, ${what}`,
      });
    });
  });
}

function visit(graph: Graph, see: (node: Node) => void): void {
  for (const node of graph.nodes()) {
    see(node);
    for (const [, body] of node.subgraphs()) visit(body, see);
  }
}

/** They look at no value of their input. */
const readsShapes: ReadonlySet<string> = new Set(['Shape', 'Size']);

const floats = /^b?float/;

function reasonOf(node: Node, version: number, target: Target): string | undefined {
  const inputs = node.inputs.filter((value): value is Value => value !== null);
  const outputs = node.outputs.filter((value): value is Value => value !== null);
  if (!inputs.some((value) => floats.test(tag(value) ?? ''))) return undefined;
  if (readsShapes.has(node.op)) return undefined;
  // Computed once, at load.
  if (inputs.every((value) => value.initializer !== undefined)) return undefined;
  const schema = opSchema(node.domain, node.opType, version);
  if (schema === undefined) return 'no such operator';
  const types = new Map<string, string>();
  for (const [values, parameters] of [
    [node.inputs, schema.inputs],
    [node.outputs, schema.outputs],
  ] as const) {
    for (const [index, value] of values.entries()) {
      // A variadic parameter stands for all that follow.
      const variable = (parameters[index] ?? parameters.at(-1))?.variable;
      const dtype = value === null ? undefined : tag(value);
      if (variable !== undefined && dtype !== undefined) types.set(variable, dtype);
    }
  }
  const data = [inputs[0], outputs[0]].flatMap((value) => (value && tag(value)) ?? []);
  return missingKernel(target, node.op, schema.since, types, data);
}

function tag(value: Value): string | undefined {
  return value.type === undefined ? undefined : typeTag(value.type);
}
