/**
 * Where a graph is cut so that its parts can run one after the other: at positions of its node order that few values
 * cross. Between the blocks of a transformer that is one value, the residual stream; before and behind a choice (choices.ts)
 * it is what there is. Nothing here knows a family;
 * the modules that an architecture names (`vlm-convert.scope`) only choose among cuts that are equally narrow.
 */
import { readsOf } from '../../graph/extract.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { metadataKeys } from '../../rewrite/rewriter.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { choiceEnds } from './choices.ts';
import { recomputable, weightsOf } from './dependence.ts';

/** Names of the values that cross. */
export type Cut = readonly string[];

export interface CutOptions {
  /** Parts with more weights are cut wherever they can be. */
  readonly limitBytes: number;
  /** `blocks`: also where one module of the architecture ends and the next begins; `size`: for the limit alone. */
  readonly at: 'blocks' | 'size';
}

/** The cuts of a graph in its order. A node whose weights alone exceed the limit stays whole. */
export function findCuts(graph: Graph, { limitBytes, at }: CutOptions): readonly Cut[] {
  const free = recomputable(graph);
  const nodes = [...graph.nodes()].filter((node) => !free.has(node));
  const weights = nodes.map((node) => new Set(weightsOf(node)));
  const crossing = crossings(nodes);
  const narrow = at === 'size' ? [] : moduleEnds(nodes, crossing, weights);
  // A choice is cut off whatever crosses.
  const inside = new Set([...narrow, ...choiceEnds(nodes)]);
  const ends = [0, ...[...inside].sort((a, b) => a - b), nodes.length];
  const positions = ends.slice(1).flatMap((end, index) => {
    const begin = ends[index] ?? 0;
    return [...splits(begin, end, weights, crossing, limitBytes), ...(end === nodes.length ? [] : [end])];
  });
  return positions.map((position) => (crossing[position] ?? []).map((value) => value.name));
}

/** Per position, the values made before it and read from it on. */
function crossings(nodes: readonly Node[]): readonly (readonly Value[])[] {
  const places = new Map(nodes.map((node, index) => [node, index]));
  const last = new Map<Value, number>();
  for (const [index, node] of nodes.entries()) {
    for (const value of readsOf(node)) {
      if (value.producer !== undefined && places.has(value.producer)) last.set(value, index);
    }
  }
  const all: Value[][] = nodes.map(() => []);
  for (const [value, end] of last) {
    const begin = places.get(value.producer as Node) ?? 0;
    for (let position = begin + 1; position <= end; position += 1) all[position]?.push(value);
  }
  return all;
}

/** Positions that one value crosses, where the module changes. Modules without weights go with a neighbour. */
function moduleEnds(
  nodes: readonly Node[],
  crossing: readonly (readonly Value[])[],
  weights: readonly ReadonlySet<Tensor>[],
): readonly number[] {
  const found: number[] = [];
  let weighted = false;
  for (const [position, node] of nodes.entries()) {
    const before = nodes[position - 1];
    if (
      before !== undefined &&
      weighted &&
      crossing[position]?.length === 1 &&
      scope(before) !== scope(node)
    ) {
      found.push(position);
      weighted = false;
    }
    weighted ||= (weights[position]?.size ?? 0) > 0;
  }
  // What follows the last cut may be without weights.
  if (!weighted) found.pop();
  return found;
}

function scope(node: Node): string | undefined {
  return node.metadata.get(metadataKeys.scope);
}

/** Positions between `begin` and `end` that bring the parts below the limit: narrow ones first, then even ones. */
function splits(
  begin: number,
  end: number,
  weights: readonly ReadonlySet<Tensor>[],
  crossing: readonly (readonly Value[])[],
  limitBytes: number,
): readonly number[] {
  const before = runningBytes(weights.slice(begin, end));
  const after = runningBytes(weights.slice(begin, end).reverse()).reverse();
  const bytes = before.at(-1) ?? 0;
  if (bytes <= limitBytes) return [];
  let best: { readonly position: number; readonly width: number; readonly larger: number } | undefined;
  for (let position = begin + 1; position < end; position += 1) {
    const width = crossing[position]?.length ?? 0;
    const larger = Math.max(before[position - begin - 1] ?? 0, after[position - begin] ?? 0);
    if (width === 0 || larger >= bytes) continue;
    if (best === undefined || width < best.width || (width === best.width && larger < best.larger)) {
      best = { position, width, larger };
    }
  }
  if (best === undefined) return [];
  const { position } = best;
  return [
    ...splits(begin, position, weights, crossing, limitBytes),
    position,
    ...splits(position, end, weights, crossing, limitBytes),
  ];
}

/** Bytes of the distinct tensors up to and with each node. */
function runningBytes(weights: readonly ReadonlySet<Tensor>[]): number[] {
  const seen = new Set<Tensor>();
  let bytes = 0;
  return weights.map((tensors) => {
    for (const tensor of tensors) {
      if (seen.has(tensor)) continue;
      seen.add(tensor);
      bytes += tensor.byteLength;
    }
    return bytes;
  });
}
