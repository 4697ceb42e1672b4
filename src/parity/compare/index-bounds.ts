/**
 * How large an integer input may get: where a graph looks it up in a table, the table's length says so. Followed
 * through operators that hand values on unchanged.
 */
import type { Graph } from '../../graph/graph.ts';
import { staticShape } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';

/** Operators whose first output holds the values of their first input. */
const passing: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'Reshape',
  'Unsqueeze',
  'Squeeze',
  'Flatten',
  'Transpose',
  'Slice',
  'Expand',
  'Tile',
]);

/** By input name, the smallest length of a table that it indexes; inputs that index none are left out. */
export function indexBounds(graph: Graph): ReadonlyMap<string, number> {
  const bounds = new Map<string, number>();
  for (const input of graph.inputs) {
    const bound = boundOf(input, new Set());
    if (Number.isFinite(bound)) bounds.set(input.name, bound);
  }
  return bounds;
}

function boundOf(value: Value, seen: Set<Value>): number {
  if (seen.has(value)) return Number.POSITIVE_INFINITY;
  seen.add(value);
  let bound = Number.POSITIVE_INFINITY;
  for (const { node, index } of value.uses) {
    const [first] = node.outputs;
    if (passing.has(node.op) && index === 0 && first !== undefined && first !== null) {
      bound = Math.min(bound, boundOf(first, seen));
    }
    const table = node.inputs[0];
    if (index !== 1 || table === undefined || table === null) continue;
    const axis = {
      Gather: node.int('axis') ?? 0,
      'com.microsoft::GatherBlockQuantized': node.int('gather_axis') ?? 0,
    }[node.op];
    const shape = table.initializer?.shape ?? staticShape(table.type);
    const length = axis === undefined || shape === undefined ? undefined : shape.at(Number(axis));
    if (length !== undefined && length > 0) bound = Math.min(bound, length);
  }
  return bound;
}
