/**
 * Types of values that constants decide, computed from those alone. What a file declares may be less than what an
 * operator makes of its inputs (the length of a Range, say), so nothing is run on the word of a file.
 */
import { extractModel } from '../../graph/extract.ts';
import type { Graph } from '../../graph/graph.ts';
import { inferModel } from '../../graph/infer/infer.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { tensorType, type ValueType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { VlmError } from '../../report/diagnostics.ts';

/** By name; empty where operands do not fit together. `nodes` read constants and each other. */
export function ownTypes(
  model: Model,
  graph: Graph,
  nodes: ReadonlySet<Node>,
): ReadonlyMap<string, ValueType | undefined> {
  const outputs: Value[] = [];
  for (const node of nodes) for (const output of node.outputs) if (output !== null) outputs.push(output);
  const part = extractModel({ ...model, graph, functions: [] }, { nodes, inputs: [], outputs });
  for (const value of part.graph.values()) {
    const { initializer } = value;
    part.graph.setType(value, initializer && tensorType(initializer.dtype, initializer.shape));
  }
  try {
    inferModel(part);
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    return new Map();
  }
  return new Map([...part.graph.values()].map(({ name, type }) => [name, type]));
}
