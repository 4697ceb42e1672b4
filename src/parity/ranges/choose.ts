/** Which values of a graph are measured, and which values of the plain graph tell the true range of those of float16. */
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { chooseFloat16 } from '../../passes/float16-choice.ts';
import { constantScalar } from '../../rewrite/constants.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { recomputable } from '../stream/dependence.ts';

/** Of the inputs that hold a cache, as `cacheNames` has them. */
const pastPrefix = 'past_key_values.';

/** They give the elements of their first input and no others. */
const keepsAll: ReadonlySet<string> = new Set([
  ...['Cast', 'Identity', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten', 'Expand', 'Tile'],
]);

/** They move elements, which were measured where they were made; a cast may lose some. */
const layoutOps: ReadonlySet<string> = new Set([
  ...[...keepsAll].filter((op) => op !== 'Cast'),
  ...['Concat', 'Split', 'Slice', 'Pad', 'DepthToSpace', 'SpaceToDepth'],
]);

/**
 * Names of the values of floats that nodes of the main graph compute, in order. Left out is what says nothing new of
 * activations: what only moves them; what follows from shapes and masks alone; scores with a mask added to them, which
 * are large on purpose; and what is only a cache from before, which was measured when it was made and may be empty.
 */
export function measurable(graph: Graph): readonly string[] {
  const free = recomputable(graph);
  const past = cacheOnly(graph, free);
  return [...graph.nodes()].flatMap((node) => {
    if (layoutOps.has(node.op) || free.has(node) || past.has(node) || isMasked(node, free)) return [];
    return node.outputs.flatMap((value) => (value !== null && isMeasured(value) ? [value.name] : []));
  });
}

/** A sum of data and of something that is made of masks and shapes. */
function isMasked(node: Node, free: ReadonlySet<Node>): boolean {
  return (
    node.op === 'Add' &&
    node.inputs.some((input) => input?.producer !== undefined && free.has(input.producer))
  );
}

/** Nodes that read no floats but the caches, or what is made of them. */
function cacheOnly(graph: Graph, free: ReadonlySet<Node>): ReadonlySet<Node> {
  const past = new Set<Node>();
  for (const node of graph.nodes()) {
    if (free.has(node)) continue;
    const data = node.inputs.filter((input) => input !== null && isData(input, free));
    const only = data.every((input) =>
      input?.producer === undefined ? input?.name.startsWith(pastPrefix) : past.has(input.producer),
    );
    if (data.length > 0 && only) past.add(node);
  }
  return past;
}

function isData(value: Value, free: ReadonlySet<Node>): boolean {
  if (value.producer !== undefined) return !free.has(value.producer);
  return value.initializer === undefined && isMeasured(value);
}

function isMeasured({ type }: Value): boolean {
  return type?.kind === 'tensor' && (type.dtype === 'float16' || type.dtype === 'float32');
}

/** What a component's ranges are of. */
export interface RangeChoice {
  /** Whether the output computes in float16; else the ranges say what would come of it if it did. */
  readonly isHalf: boolean;
  /** Names of values of the output → the value of the plain graph with the same elements, where it has one. */
  readonly counted: ReadonlyMap<string, string | undefined>;
  /** Names of values of the plain graph that an attention operator of the output keeps to itself. */
  readonly inside: ReadonlySet<string>;
}

/**
 * Of an output with values of float16 these are counted; of another one the values of the plain graph that the pass
 * `float16` would compute in it.
 */
export function chooseRanges(plain: Model, converted: Model): RangeChoice {
  const halves = measurable(converted.graph).flatMap((name) => {
    const value = converted.graph.value(name);
    return value !== undefined && isHalf(value) ? [value] : [];
  });
  const inside = insideAttention(plain.graph, converted.graph);
  if (halves.length > 0) {
    const counted = new Map(halves.map((value) => [value.name, sourceOf(value, plain.graph)]));
    return { isHalf: true, counted, inside };
  }
  const would = chooseFloat16(plain, 'float32');
  const names = measurable(plain.graph).filter((name) => {
    const producer = plain.graph.value(name)?.producer;
    return producer !== undefined && would.has(producer) && !inside.has(name);
  });
  return { isHalf: false, counted: new Map(names.map((name) => [name, name])), inside };
}

function isHalf({ type }: Value): boolean {
  return type?.kind === 'tensor' && type.dtype === 'float16';
}

/** The value of the plain graph with the same elements: of the same name here, before or behind a cast or a layout. */
function sourceOf(value: Value, plain: Graph): string | undefined {
  const behind = value.consumers().filter((node) => node.op === 'Cast');
  const same = [value, ...behind.map((node) => node.output)].find((one) => made(one.name, plain));
  if (same !== undefined) return same.name;
  const { producer } = value;
  const before = producer !== undefined && keepsAll.has(producer.op) ? producer.input(0) : undefined;
  return before === undefined ? undefined : sourceOf(before, plain);
}

function made(name: string, graph: Graph): boolean {
  const value = graph.value(name);
  return value?.producer !== undefined && value.type?.kind === 'tensor' && isFloat(value.type.dtype);
}

/**
 * From each Softmax of the plain graph that the output has fused, back to the product of queries and keys and to what
 * only scales or moves its operands.
 */
function insideAttention(plain: Graph, converted: Graph): ReadonlySet<string> {
  const inside = new Set<string>();
  const measured = new Set(measurable(plain));
  for (const node of plain.nodes()) {
    if (node.op !== 'Softmax' || converted.value(node.output.name) !== undefined) continue;
    // The weights themselves are at most 1.
    const pending = node.inputs.filter((input) => input !== null);
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const { producer } = value;
      if (producer === undefined || converted.value(value.name) !== undefined) continue;
      if (inside.has(value.name)) continue;
      inside.add(value.name);
      const isOperand = producer.op === 'MatMul' || isScaling(producer) || keepsAll.has(producer.op);
      for (const input of producer.inputs) {
        const before = input?.producer;
        if (input === null || before === undefined) continue;
        if (!isOperand || isScaling(before) || keepsAll.has(before.op) || before.op === 'MatMul') {
          pending.push(input);
        }
      }
    }
  }
  return new Set([...inside].filter((name) => measured.has(name)));
}

function isScaling(node: Node): boolean {
  return (
    (node.op === 'Mul' || node.op === 'Div') &&
    node.inputs.some((input) => constantScalar(input ?? undefined) !== undefined)
  );
}
