/**
 * Attention, whatever the exporter: softmax(scores) · v at the MatMul with the values. Weights may go through casts,
 * dropout, a guard against NaN and reshapes of leading axes; what lies before the Softmax is scores.ts, what the operands
 * are is operands.ts. Everything here only reads the graph.
 *
 * Heads are found where the operands have them: [N, h, S, d] with h static. Operands without (three axes, or an axis
 * of unknown size) count as one head, all leading axes as batch.
 */
import { sameDim } from '../../../graph/infer/dims.ts';
import type { Node } from '../../../graph/node.ts';
import { type Dim, formatType } from '../../../graph/types.ts';
import { dimsOf, type Value } from '../../../graph/value.ts';
import { constantScalar } from '../../../rewrite/constants.ts';
import type { MatchFailure } from '../../../rewrite/matcher.ts';
import { matrixSwap, permOf, sameOrder } from './layout.ts';
import { asRead, candidates, type Operand, withHeads, withoutRepeats } from './operands.ts';
import { findScores, type ScoreStep, type Scores, sameMatrices } from './scores.ts';

export interface Attention {
  /** The product with the values. */
  readonly root: Node;
  readonly nodes: readonly Node[];
  /** [.., h, S, d] each, or [.., S, d] where `heads` is undefined; `swapped`: [.., d, S]. */
  readonly q: Operand;
  readonly k: Operand;
  readonly v: Operand;
  /** Undefined: one head, all leading axes are batch. */
  readonly heads: number | undefined;
  /** Keys and values have this many times fewer heads than queries. */
  readonly groups: number;
  /** Queries are one for the whole batch. */
  readonly spread: boolean;
  readonly steps: readonly ScoreStep[];
  /** A row of NaN weights counts as zeros. */
  readonly guarded: boolean;
  /** The product is vᵀ · weightsᵀ. */
  readonly turned: boolean;
}

/** Attention that has to stay spelled out. */
export interface PlainAttention {
  readonly root: Node;
  readonly plain: string;
}

export function isPlain(found: Attention | PlainAttention): found is PlainAttention {
  return 'plain' in found;
}

interface Weights {
  readonly softmax: Node;
  readonly nodes: readonly Node[];
  readonly guarded: boolean;
  readonly turned: boolean;
  /** Outcomes of reshapes that leave the matrices as they are only if these are those of the scores. */
  readonly unsure: readonly Value[];
  readonly plain?: string;
}

/** The attention that a MatMul ends, or why it ends none. */
export function findAttention(root: Node): Attention | PlainAttention | MatchFailure {
  const found = weightsOf(root);
  if (found === undefined) return { reason: 'no Softmax before it', depth: 0 };
  const { weights, values } = found;
  const input = weights.softmax.input(0);
  const rank = input === undefined ? undefined : dimsOf(input)?.length;
  const miss = (reason: string): MatchFailure => ({ reason, depth: 2 + weights.nodes.length });
  const axis = weights.softmax.int('axis') ?? -1;
  if (input === undefined || rank === undefined)
    return miss(`the rank of ${weights.softmax.name} is not known`);
  if (axis !== -1 && axis !== rank - 1) return miss(`${weights.softmax.name} is not over the last axis`);
  const scores = findScores(input);
  if (scores === undefined) return miss(`${input.name} comes from no product of queries and keys`);
  if (!weights.unsure.every((value) => sameMatrices(value, scores.product.output))) {
    return miss(`the weights of ${weights.softmax.name} are reshaped`);
  }
  const nodes = [root, ...weights.nodes, weights.softmax, ...scores.nodes];
  const plain = (reason: string): PlainAttention => ({ root, plain: reason });
  const reason = weights.plain ?? scores.plain ?? readElsewhere(root, nodes);
  if (reason !== undefined) return plain(reason);
  const operands = findOperands(scores, values, weights.turned);
  if (typeof operands === 'string') return plain(operands);
  const product = dimsOf(root.output);
  // Axes that became one come apart again where the size of at most one of them is left to the run.
  if (product === undefined || product.slice(0, -2).filter((dim) => typeof dim !== 'number').length > 1) {
    if (product?.length !== 4 || operands.heads === undefined)
      return plain(`the axes of ${root.output.name} are not known`);
  }
  const { guarded, turned } = weights;
  return { root, nodes, ...operands, steps: [...operands.scales, ...scores.steps], guarded, turned };
}

/** Either input of the product may be the weights; on the right side they are transposed. */
function weightsOf(root: Node): { readonly weights: Weights; readonly values: Value } | undefined {
  const [left, right] = [root.input(0), root.input(1)];
  if (left === undefined || right === undefined) return undefined;
  const weights = walkWeights(left);
  if (weights !== undefined && !weights.turned) return { weights, values: right };
  const turned = walkWeights(right);
  return turned?.turned === true ? { weights: turned, values: left } : undefined;
}

function walkWeights(value: Value): Weights | undefined {
  const node = value.producer;
  const input = node?.input(0);
  if (node === undefined || input === undefined || value.outputIndex !== 0) return undefined;
  const before = (source: Value | undefined, change: Partial<Weights> = {}): Weights | undefined => {
    const weights = source === undefined ? undefined : walkWeights(source);
    return weights === undefined
      ? undefined
      : { ...weights, ...change, nodes: [node, ...(change.nodes ?? []), ...weights.nodes] };
  };
  switch (node.op) {
    case 'Softmax':
      return { softmax: node, nodes: [], guarded: false, turned: false, unsure: [] };
    case 'Cast':
    case 'Identity':
    case 'Dropout':
      return before(input);
    case 'Reshape':
    case 'Squeeze':
    case 'Unsqueeze': {
      const weights = before(input);
      if (weights === undefined || sameMatrices(input, value)) return weights;
      return weights.turned ? undefined : { ...weights, unsure: [...weights.unsure, value] };
    }
    case 'Where': {
      const [test, weights] = [input.producer, node.input(2)];
      if (test?.op !== 'IsNaN' || test.input(0) !== weights || constantScalar(node.input(1)) !== 0)
        return undefined;
      return before(weights, { guarded: true, nodes: [test] });
    }
    case 'Transpose': {
      const perm = permOf(node);
      const turns = perm !== undefined && sameOrder(perm, matrixSwap(perm.length));
      const weights = turns ? before(input) : undefined;
      return weights === undefined ? undefined : { ...weights, turned: !weights.turned };
    }
    case 'Mul':
      return before(dimsOf(input)?.length === dimsOf(value)?.length ? input : node.input(1), {
        plain: 'its weights are multiplied after the Softmax',
      });
    case 'QuantizeLinear':
    case 'DequantizeLinear':
      return before(input, { plain: 'its weights are quantized' });
    default:
      return undefined;
  }
}

/** Nodes inside may not be read from outside, where one operator would not give what they give. */
function readElsewhere(root: Node, nodes: readonly Node[]): string | undefined {
  const inside = new Set(nodes);
  for (const node of nodes) {
    if (node === root) continue;
    if (node.graph !== root.graph) return `${node.name} stands in another graph`;
    for (const output of node.outputs) {
      if (output === null) continue;
      if (output.isOutput) return `${output.name} is also an output of the graph`;
      const reader = output.consumers().find((consumer) => !inside.has(consumer));
      if (reader !== undefined) return `${output.name} is also read by ${reader.name}`;
    }
  }
  return undefined;
}

type Operands = Pick<Attention, 'q' | 'k' | 'v' | 'heads' | 'groups' | 'spread'> & {
  readonly scales: readonly ScoreStep[];
};

/** The three operands in one arrangement, or why they are in none. */
function findOperands({ product }: Scores, values: Value, turned: boolean): Operands | string {
  const [left, right] = [product.input(0), product.input(1)];
  if (left === undefined || right === undefined) return `${product.name} has lost an input`;
  const flag = (name: string): boolean => (product.int(name) ?? 0) !== 0;
  if (flag('transBatchA') || flag('transBatchB')) return `${product.name} transposes batches`;
  const alpha = product.domain === '' ? 1 : (product.float('alpha') ?? 1);
  const queries = candidates(left, flag('transA'), true);
  const keys = candidates(right, !flag('transB'), true);
  const contents = candidates(values, turned, false);
  const apart = [withHeads(queries), withHeads(keys), withHeads(contents)] as const;
  const shared = inHeads(...apart);
  const chosen = typeof shared === 'string' ? asOneHead(queries, keys, contents) : shared;
  if (chosen === undefined) return `${shared}`;
  const scale = alpha * chosen.q.factor * chosen.k.factor;
  return { ...chosen, scales: scale === 1 ? [] : [{ kind: 'scale', factor: scale }] };
}

type Arrangement = Pick<Attention, 'q' | 'k' | 'v' | 'heads' | 'groups' | 'spread'>;

function inHeads(
  q: Operand | undefined,
  k: Operand | undefined,
  v: Operand | undefined,
): Arrangement | string {
  if (q === undefined || k === undefined || v === undefined) return 'its heads are not known';
  const [queries, keys, contents] = [shapeOf(q), shapeOf(k), shapeOf(v)];
  const heads = queries?.at(-3);
  if (queries === undefined || keys === undefined || contents === undefined || typeof heads !== 'number') {
    return 'its heads are not known';
  }
  // One head of keys, broadcast by the products themselves.
  const single = heads > 1 && keys.at(-3) === 1 && contents.at(-3) === 1;
  if (!single && (keys.at(-3) !== heads || contents.at(-3) !== heads)) {
    return `its heads differ: ${[q, k, v].map(({ value }) => formatType(value.type)).join(', ')}`;
  }
  // Learned queries, broadcast over the batch by the product.
  const spread = queries.length === 4 && queries[0] === 1 && keys[0] !== 1;
  const objection = sizesDiffer(spread ? [keys[0] ?? null, ...queries.slice(1)] : queries, keys, contents, 3);
  if (objection !== undefined) return objection;
  if (single) return { q, k, v, heads, groups: heads, spread };
  if (k.swapped || v.swapped) return { q, k, v, heads, groups: 1, spread };
  const fewer = withoutRepeats(k.value, v.value);
  return {
    q,
    k: { ...k, value: fewer.k },
    v: { ...v, value: fewer.v },
    heads,
    groups: fewer.groups,
    spread,
  };
}

function asOneHead(
  queries: readonly Operand[],
  keys: readonly Operand[],
  contents: readonly Operand[],
): Arrangement | undefined {
  const [q, k, v] = [asRead(queries), asRead(keys), asRead(contents)];
  if (q === undefined || k === undefined || v === undefined) return undefined;
  const [left, right, value] = [shapeOf(q), shapeOf(k), shapeOf(v)];
  if (left === undefined || right === undefined || value === undefined) return undefined;
  // Merging more than one leading axis would take sizes that only the run knows.
  if (left.length > 3 && left.slice(0, -1).some((dim) => typeof dim !== 'number')) return undefined;
  return sizesDiffer(left, right, value, 2) === undefined
    ? { q, k, v, heads: undefined, groups: 1, spread: false }
    : undefined;
}

/** [.., S, d] whichever way round the value stands. */
function shapeOf({ value, swapped }: Operand): readonly Dim[] | undefined {
  const dims = dimsOf(value);
  if (dims === undefined || dims.length < 2) return undefined;
  return swapped ? matrixSwap(dims.length).map((axis) => dims[axis] ?? null) : dims;
}

/** `inner`: trailing axes that are no batch. */
function sizesDiffer(
  q: readonly Dim[],
  k: readonly Dim[],
  v: readonly Dim[],
  inner: number,
): string | undefined {
  if (typeof q.at(-1) !== 'number' || typeof v.at(-1) !== 'number')
    return 'the size of its heads is not known';
  if (sameDim(q.at(-1) ?? null, k.at(-1) ?? null) === false) return 'queries and keys differ in size';
  if (sameDim(k.at(-2) ?? null, v.at(-2) ?? null) === false) return 'keys and values differ in length';
  const batches = [q, k, v].map((shape) => shape.slice(0, -inner));
  const [first = []] = batches;
  for (const batch of batches) {
    if (batch.length !== first.length) return 'queries, keys and values differ in rank';
    for (const [axis, dim] of batch.entries()) {
      const other = first[axis] ?? null;
      if (sameDim(dim, other) === false) return `its batches differ: ${other} and ${dim}`;
      if ((dim === 1) !== (other === 1) && sameDim(dim, other) !== true) {
        return `its batches may differ: ${other ?? '?'} and ${dim ?? '?'}`;
      }
    }
  }
  return undefined;
}
