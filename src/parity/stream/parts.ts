/**
 * Cutting a graph at given values: which part every node belongs to, and which cuts hold. A graph that passes have
 * rewritten is cut at the values of the reference that it still has under their names; a cut that does not separate
 * it falls, and its parts become one.
 */
import { extractModel, readsOf } from '../../graph/extract.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import type { Cut } from './cuts.ts';
import { recomputable, weightBytes } from './dependence.ts';

export interface ModelPart {
  readonly model: Model;
  /** Names of the values that later parts read, or the model's user. */
  readonly crossing: readonly string[];
  readonly outputs: readonly string[];
  /** Without those that every part runs. */
  readonly nodes: number;
  readonly weightBytes: number;
  /** The last node that is not run anew elsewhere. */
  readonly last: Node | undefined;
}

/** The cuts, in their order, that hold in every one of the graphs. */
export function commonCuts(cuts: readonly Cut[], graphs: readonly Graph[]): readonly Cut[] {
  let kept = cuts;
  for (;;) {
    const before = kept.length;
    for (const graph of graphs) kept = cutsThatHold(kept, graph);
    if (kept.length === before) return kept;
  }
}

/** One model per part, in order: one more than cuts. The cuts must hold. */
export function cutModel(model: Model, cuts: readonly Cut[]): readonly ModelPart[] {
  const { graph } = model;
  const { free, parts } = assign(graph, cuts);
  const crossing = new Set(cuts.flat());
  return Array.from({ length: cuts.length + 1 }, (_, index) => {
    const own = [...graph.nodes()].filter((node) => parts.get(node) === index);
    const made = new Set(own.flatMap((node) => node.outputs.filter((output) => output !== null)));
    // What no part owns, such as an output that follows from shapes, the last one gives.
    const outputs = graph.outputs.filter(
      (value) => made.has(value) || (index === cuts.length && isFree(value, free)),
    );
    const kept = [...made].filter((value) => crossing.has(value.name) && !graph.outputs.includes(value));
    const nodes = withRecomputed(own, outputs, free);
    return {
      model: extractModel(model, {
        nodes,
        inputs: givenTo(nodes),
        outputs: [...outputs, ...kept],
      }),
      crossing: [...made].flatMap((value) => (crossing.has(value.name) ? [value.name] : [])),
      outputs: outputs.map((value) => value.name),
      nodes: own.length,
      weightBytes: weightBytes(nodes),
      last: own.at(-1),
    };
  });
}

function isFree(value: Value, free: ReadonlySet<Node>): boolean {
  return value.producer === undefined || free.has(value.producer);
}

function cutsThatHold(cuts: readonly Cut[], graph: Graph): readonly Cut[] {
  let kept = cuts.filter((cut) => cut.every((name) => graph.value(name)?.producer !== undefined));
  for (;;) {
    const { free, parts } = assign(graph, kept);
    const broken = brokenCuts(graph, kept, free, parts);
    if (broken.size === 0) return kept;
    kept = kept.filter((_, index) => !broken.has(index));
  }
}

interface Assignment {
  /** Nodes that every part may run. */
  readonly free: ReadonlySet<Node>;
  /** The part of every other node. */
  readonly parts: ReadonlyMap<Node, number>;
}

/**
 * A node that reads what comes through cuts belongs in the last part that its readers, and the cuts that its own values come
 * through, allow, if all that it reads gets there; else behind every cut that one of its values comes through. What none
 * comes through, belongs where it is read.
 */
function assign(graph: Graph, cuts: readonly Cut[]): Assignment {
  const free = recomputable(graph);
  const nodes = [...graph.nodes()].filter((node) => !free.has(node));
  const firstCut = new Map<string, number>();
  for (const [index, cut] of cuts.entries()) {
    for (const name of cut) if (!firstCut.has(name)) firstCut.set(name, index);
  }
  const latest = latestParts(nodes, firstCut, cuts.length);
  const parts = new Map<Node, number>();
  const unbound: Node[] = [];
  for (const node of nodes) {
    const reads = readsOf(node).filter((value) => value.producer !== undefined);
    const from = reads.map((value) => parts.get(value.producer as Node));
    const behind = reads.flatMap((value, index) => {
      const [made, cut] = [from[index], firstCut.get(value.name)];
      return [...(made === undefined ? [] : [made]), ...(cut === undefined ? [] : [cut + 1])];
    });
    const made = node.outputs.some((output) => output !== null && firstCut.has(output.name));
    if (behind.length > 0) {
      const last = latest.get(node) ?? 0;
      const comes = reads.every(({ name }, index) => {
        const part = from[index];
        return (
          part === undefined || (part <= last && cuts.slice(part, last).every((cut) => cut.includes(name)))
        );
      });
      parts.set(node, comes ? last : Math.max(...behind));
    } else if (made) parts.set(node, 0);
    else unbound.push(node);
  }
  // Later ones first: who reads them is known by then.
  for (const node of unbound.reverse()) {
    const readers = node.outputs.flatMap((output) => output?.consumers() ?? []);
    const wanted = readers.flatMap((reader) => parts.get(outermost(reader, graph)) ?? []);
    parts.set(node, wanted.length === 0 ? 0 : Math.min(...wanted));
  }
  return { free, parts };
}

/** The last part that each node could be in, as who reads it and the cuts that its values come through allow. */
function latestParts(
  nodes: readonly Node[],
  firstCut: ReadonlyMap<string, number>,
  last: number,
): ReadonlyMap<Node, number> {
  const latest = new Map<Node, number>();
  for (const node of [...nodes].reverse()) {
    const bounds = node.outputs.flatMap((output) => {
      if (output === null) return [];
      const cut = firstCut.get(output.name);
      const readers = output.consumers().flatMap((reader) => latest.get(reader) ?? []);
      return [...(cut === undefined ? [] : [cut]), ...readers];
    });
    latest.set(node, Math.min(last, ...bounds));
  }
  return latest;
}

/** The node of a graph that holds a node of one of its bodies. */
function outermost(node: Node, graph: Graph): Node {
  if (node.graph === graph) return node;
  for (const candidate of graph.nodes()) {
    for (const [, body] of candidate.subgraphs()) if (holds(body, node)) return candidate;
  }
  throw new RangeError(`${node.name} is in no body of ${graph.name}`);
}

function holds(body: Graph, node: Node): boolean {
  for (let at: Graph | undefined = node.graph; at !== undefined; at = at.parent) if (at === body) return true;
  return false;
}

/** Cuts that a value crosses which is not among theirs, or that have nothing before or behind them. */
function brokenCuts(
  graph: Graph,
  cuts: readonly Cut[],
  free: ReadonlySet<Node>,
  parts: ReadonlyMap<Node, number>,
): ReadonlySet<number> {
  const broken = new Set<number>();
  const crossing = new Set(cuts.flat());
  for (const [node, part] of parts) {
    for (const value of readsOf(node)) {
      const made = value.producer === undefined ? undefined : parts.get(value.producer);
      if (made === undefined || made === part || crossing.has(value.name)) continue;
      for (let cut = made; cut < part; cut += 1) broken.add(cut);
    }
  }
  const used = new Set(parts.values());
  for (const [index, cut] of cuts.entries()) {
    const recomputed = cut.some((name) => {
      const producer = graph.value(name)?.producer;
      return producer !== undefined && free.has(producer);
    });
    if (recomputed || !used.has(index + 1) || !used.has(index)) broken.add(index);
  }
  return broken;
}

/** Nodes with the recomputable ones that they need, or that give one of the outputs. */
function withRecomputed(
  own: readonly Node[],
  outputs: readonly Value[],
  free: ReadonlySet<Node>,
): ReadonlySet<Node> {
  const nodes = new Set(own);
  const pending = [...own.flatMap(readsOf), ...outputs];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    const { producer } = value;
    if (producer === undefined || !free.has(producer) || nodes.has(producer)) continue;
    nodes.add(producer);
    pending.push(...readsOf(producer));
  }
  return nodes;
}

/** What nodes read that neither they nor constants give. */
function givenTo(nodes: ReadonlySet<Node>): readonly Value[] {
  const given = new Set<Value>();
  for (const node of nodes) {
    for (const value of readsOf(node)) {
      const made = value.producer !== undefined && nodes.has(value.producer);
      const constant = value.initializer !== undefined || value.graph.sparseInitializers.has(value.name);
      if (!made && (!constant || value.isInput)) given.add(value);
    }
  }
  return [...given];
}
