/**
 * What stands between the product of queries and keys and its Softmax, whatever the order: scales, masks that are added,
 * subtracted or selected, reshapes of leading axes, casts. Found walking up from the Softmax; kept as steps in the order
 * in which they are computed, each with the leading axes that the scores have there.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import type { Dim } from '../../../graph/types.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import { constantNumbers, constantScalar, constantTensor } from '../../../rewrite/constants.ts';
import { isFloat } from '../../../tensor/dtype.ts';

/** Scores this low weigh nothing beside any that is not masked. */
const maskedBelow = -9999;

/** One step from scores to scores. `lead`: their axes before [S, T]. */
export type ScoreStep =
  | { readonly kind: 'scale'; readonly factor: number }
  /** A factor for each row or head: its last two axes are 1. */
  | { readonly kind: 'factor'; readonly value: Value; readonly lead: readonly Dim[] }
  | { readonly kind: 'add'; readonly value: Value; readonly negated: boolean; readonly lead: readonly Dim[] }
  /** Scores where the condition is `keep`, `fill` elsewhere. */
  | {
      readonly kind: 'select';
      readonly condition: Value;
      readonly keep: boolean;
      readonly fill: number;
      readonly lead: readonly Dim[];
    }
  /** Biases are added to scores of the shape `whole`; `reshape` makes one axis of queries and one of keys again. */
  | {
      readonly kind: 'apart';
      readonly values: readonly Value[];
      readonly whole: readonly Dim[];
      readonly reshape: Node;
      readonly lead: readonly Dim[];
    }
  /** Scores are at least this. */
  | { readonly kind: 'floor'; readonly least: number };

export interface Scores {
  /** MatMul or FusedMatMul of queries and keys. */
  readonly product: Node;
  readonly steps: readonly ScoreStep[];
  /** The nodes that only serve these scores. */
  readonly nodes: readonly Node[];
  /** Why no operator can stand for them: rounding or a function inside. */
  readonly plain?: string;
}

/** Undefined where the value is no product with anything known on it. */
export function findScores(value: Value): Scores | undefined {
  return walk(value, new Map());
}

/** What was found at values on the way: sums branch, and must not be walked once for every path. */
type Known = Map<Value, Scores | undefined>;

/** More nodes than any exporter puts between a product and its Softmax. */
const mostNodes = 64;

/** Biases that a detour adds: rows and columns, and some. */
const mostBiases = 8;

function walk(value: Value, known: Known): Scores | undefined {
  const node = value.producer;
  if (node === undefined || value.outputIndex !== 0) return undefined;
  if (!known.has(value) && known.size < mostNodes) {
    known.set(value, undefined);
    known.set(value, walks[node.op]?.(node, known));
  }
  return known.get(value);
}

type Walk = (node: Node, known: Known) => Scores | undefined;

const walks: Readonly<Record<string, Walk>> = {
  MatMul: product,
  'com.microsoft::FusedMatMul': product,
  Cast: (node, known) => (isFloatValue(node.output) ? through(node, known) : undefined),
  Identity: (node, known) => through(node, known),
  Dropout: (node, known) => through(node, known),
  Reshape: regrouped,
  Squeeze: regrouped,
  Unsqueeze: regrouped,
  Mul: (node, known) => eitherSide(node, known, scaled),
  Div: (node, known) => {
    const factor = constantScalar(node.input(1));
    return factor === undefined ? undefined : through(node, known, { kind: 'scale', factor: 1 / factor });
  },
  Add: (node, known) =>
    eitherSide(node, known, (value, lead) => ({ kind: 'add', value, negated: false, lead })),
  Sub: (node, known) => largestTaken(node, known) ?? subtracted(node, known),
  Where: selected,
  Max: (node, known) => {
    return eitherSide(node, known, (value) => {
      const least = constantScalar(value);
      return least === undefined || least > maskedBelow ? undefined : { kind: 'floor', least };
    });
  },
  Tanh: (node, known) => blocked(node, known, 'its scores are capped by tanh'),
  QuantizeLinear: (node, known) => blocked(node, known, 'its scores are quantized'),
  DequantizeLinear: (node, known) => blocked(node, known, 'its scores are quantized'),
};

function product(node: Node): Scores | undefined {
  // A constant right side is a projection: a classifier's, a router's.
  return constantTensor(node.input(1)) === undefined
    ? { product: node, steps: [], nodes: [node] }
    : undefined;
}

/** The scores of one of the node's inputs, with the step that the node is. */
function through(node: Node, known: Known, step?: ScoreStep, input = 0): Scores | undefined {
  const value = node.input(input);
  const scores = value === undefined ? undefined : walk(value, known);
  if (scores === undefined) return undefined;
  const steps = step === undefined ? scores.steps : [...scores.steps, step];
  return { ...scores, steps, nodes: [node, ...scores.nodes] };
}

const blocked = (node: Node, known: Known, plain: string): Scores | undefined => {
  const scores = through(node, known);
  return scores === undefined ? undefined : { ...scores, plain };
};

/** Which of the two inputs the scores are is found out by looking. */
function eitherSide(
  node: Node,
  known: Known,
  step: (other: Value, lead: readonly Dim[]) => ScoreStep | undefined,
): Scores | undefined {
  const lead = leadOf(node.output);
  if (lead === undefined || node.inputs.length !== 2) return undefined;
  for (const side of [0, 1]) {
    const other = node.input(1 - side);
    const found = other === undefined ? undefined : step(other, lead);
    const scores = found === undefined ? undefined : through(node, known, found, side);
    if (scores !== undefined) return notWider(scores, node, side);
  }
  return undefined;
}

/** What is broadcast against scores may not make more of them than the product gives. */
function notWider(scores: Scores, node: Node, side: number): Scores {
  const before = node.input(side);
  const [from, to] = [before === undefined ? undefined : dimsOf(before), dimsOf(node.output)];
  const kept =
    from !== undefined &&
    from.length === to?.length &&
    from.every((dim, axis) => dim !== 1 || to[axis] === 1) &&
    from.every((dim, axis) => sameDim(dim, to[axis] ?? null) !== false);
  return kept ? scores : { ...scores, plain: `${node.name} makes more scores than the product gives` };
}

function scaled(other: Value, lead: readonly Dim[]): ScoreStep | undefined {
  const factor = constantScalar(other);
  if (factor !== undefined) return { kind: 'scale', factor };
  const perMatrix = dimsOf(other)
    ?.slice(-2)
    .every((dim) => dim === 1);
  return perMatrix === true ? { kind: 'factor', value: other, lead } : undefined;
}

/** x - max(x): one number per row, which changes no weight. */
function largestTaken(node: Node, known: Known): Scores | undefined {
  const [value, largest] = [node.input(0), node.input(1)?.producer];
  if (largest?.op !== 'ReduceMax' || largest.input(0) !== value) return undefined;
  const scores = through(node, known);
  return scores === undefined ? undefined : { ...scores, nodes: [...scores.nodes, largest] };
}

function subtracted(node: Node, known: Known): Scores | undefined {
  const [value, lead] = [node.input(1), leadOf(node.output)];
  if (value === undefined || lead === undefined) return undefined;
  const scores = through(node, known, { kind: 'add', value, negated: true, lead });
  return scores === undefined ? undefined : notWider(scores, node, 0);
}

/** Where(condition, scores, fill), or with the two the other way round. */
function selected(node: Node, known: Known): Scores | undefined {
  const [condition, lead] = [node.input(0), leadOf(node.output)];
  if (condition === undefined || lead === undefined) return undefined;
  for (const side of [1, 2]) {
    const fill = uniform(node.input(3 - side));
    if (fill === undefined) continue;
    const scores = through(node, known, { kind: 'select', condition, keep: side === 1, fill, lead }, side);
    if (scores === undefined) continue;
    return fill > maskedBelow
      ? { ...scores, plain: `its scores are masked by ${fill}, which others may reach` }
      : notWider(scores, node, side);
  }
  return undefined;
}

/** The number that all elements are. */
function uniform(value: Value | undefined): number | undefined {
  if (value?.producer?.op === 'Expand') return uniform(value.producer.input(0));
  const numbers = constantNumbers(value);
  return numbers?.every((number) => number === numbers[0]) === true ? numbers[0] : undefined;
}

/** A reshape that leaves the matrices [S, T] as they are, or that ends a detour over their axes apart. */
function regrouped(node: Node, known: Known): Scores | undefined {
  const input = node.input(0);
  if (input === undefined) return undefined;
  const scores = through(node, known);
  // What is added may hide sizes that the product still has.
  const kept = [input, scores?.product.output].some(
    (value) => value !== undefined && sameMatrices(value, node.output),
  );
  return kept ? scores : addedApart(node, known);
}

/** [.., S, T] → [.., a, b, c, d] + biases → [.., S, T]: positions in a grid that are told apart by row and column. */
function addedApart(node: Node, known: Known): Scores | undefined {
  const lead = leadOf(node.output);
  const values: Value[] = [];
  const nodes: Node[] = [node];
  let at = node.input(0);
  for (let add = at?.producer; add?.op === 'Add'; add = at?.producer) {
    const side = scoresSide(add, known);
    const other = side === undefined ? undefined : add.input(1 - side);
    if (side === undefined || other === undefined || values.length === mostBiases) return undefined;
    values.push(other);
    nodes.push(add);
    at = add.input(side);
  }
  const apart = at?.producer?.op === 'Reshape' ? at.producer : undefined;
  const before = apart?.input(0);
  if (lead === undefined || at === undefined || apart === undefined || before === undefined) return undefined;
  const [from, to, whole] = [dimsOf(before), dimsOf(node.output), dimsOf(at)];
  const back = from?.length === to?.length && from?.every((dim, axis) => sameDim(dim, to?.[axis] ?? null));
  const scores = values.length > 0 && back === true ? walk(before, known) : undefined;
  if (scores === undefined || whole === undefined) return undefined;
  const step: ScoreStep = { kind: 'apart', values, whole, reshape: node, lead };
  return { ...scores, steps: [...scores.steps, step], nodes: [...nodes, apart, ...scores.nodes] };
}

/** The side that the scores are on: a reshape of some, or a sum that goes on. */
function scoresSide(add: Node, known: Known): number | undefined {
  const isReshaped = (index: number): boolean => {
    const reshape = add.input(index)?.producer;
    const before = reshape?.op === 'Reshape' ? reshape.input(0) : undefined;
    return before !== undefined && walk(before, known) !== undefined;
  };
  return [0, 1].find(isReshaped) ?? [0, 1].find((index) => add.input(index)?.producer?.op === 'Add');
}

/** Whether two values have the same last two axes. */
export function sameMatrices(a: Value, b: Value): boolean {
  const [left, right] = [dimsOf(a), dimsOf(b)];
  if (left === undefined || right === undefined || left.length < 2 || right.length < 2) return false;
  return [-2, -1].every((axis) => sameDim(left.at(axis) ?? null, right.at(axis) ?? null) === true);
}

function leadOf(value: Value): readonly Dim[] | undefined {
  const dims = dimsOf(value);
  return dims === undefined || dims.length < 2 ? undefined : dims.slice(0, -2);
}

function isFloatValue(value: Value): boolean {
  return value.type?.kind === 'tensor' && isFloat(value.type.dtype);
}
