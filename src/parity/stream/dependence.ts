/**
 * What the nodes of a graph depend on, as far as cutting it needs: which results follow from shapes, masks and small
 * constants alone. They reach every layer (masks, rotary tables), so every part of a cut graph makes them anew; what
 * has to be handed from part to part is the rest.
 */
import { readsOf } from '../../graph/extract.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { isFloat } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Constants above this are weights wherever they come from. */
const largestTable = 1 << 20;
/** They read no data of their input. */
const shapeOps: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** The nodes of a graph, in order, that every part may run again: neither data nor weights reach them. */
export function recomputable(graph: Graph): ReadonlySet<Node> {
  const free = new Set<Node>();
  for (const node of graph.nodes()) {
    if (tensorsOf(node).some(isWeight)) continue;
    const shapeOnly = shapeOps.has(node.op);
    if (readsOf(node).every((value) => isFree(value, shapeOnly, free))) free.add(node);
  }
  return free;
}

function isFree(value: Value, shapeOnly: boolean, free: ReadonlySet<Node>): boolean {
  if (value.producer !== undefined) return free.has(value.producer);
  if (value.isInput) return shapeOnly || value.type?.kind !== 'tensor' || !isFloat(value.type.dtype);
  return value.initializer === undefined ? false : !isWeight(value.initializer);
}

function isWeight(tensor: Tensor): boolean {
  return tensor.byteLength > largestTable || !isMade(tensor);
}

/** Whether no byte of a tensor comes from a file. */
function isMade({ origin }: Tensor): boolean {
  return origin.kind === 'derived' ? origin.derivation.inputs.every(isMade) : origin.kind === 'inline';
}

/** Tensors among a node's attributes. */
function tensorsOf(node: Node): readonly Tensor[] {
  return [...node.attributes.values()].flatMap((attribute) => {
    if (attribute.kind === 'tensor') return [attribute.value];
    return attribute.kind === 'tensors' ? [...attribute.value] : [];
  });
}

/** Every constant that a node reads, in its bodies too. */
export function weightsOf(node: Node): readonly Tensor[] {
  const own = readsOf(node).flatMap((value) => (value.initializer === undefined ? [] : [value.initializer]));
  const bodies = [...node.subgraphs()].flatMap(([, body]) => [
    ...[...body.initializers()].map((value) => value.initializer),
    ...[...body.nodes()].flatMap(weightsOf),
  ]);
  return [...own, ...tensorsOf(node), ...bodies];
}

/** Bytes of the distinct constants that nodes read. */
export function weightBytes(nodes: Iterable<Node>): number {
  const tensors = new Set<Tensor>();
  for (const node of nodes) for (const tensor of weightsOf(node)) tensors.add(tensor);
  return [...tensors].reduce((sum, tensor) => sum + tensor.byteLength, 0);
}
