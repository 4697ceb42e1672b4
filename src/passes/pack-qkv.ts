/**
 * One product for the products that share an input: queries, keys and values of attention, gate and up of a gated MLP.
 *
 *   MatMul(x, w1) + b1, MatMul(x, w2) + b2, …   becomes   Split(MatMul(x, [w1 w2 …]) + [b1 b2 …])
 *
 * and the same for com.microsoft::MatMulNBits, whose rows are outputs. Where one of several has no bias, it gets zeros. A
 * weight that something else reads too is left: it would be written twice. So are the few keys and values of grouped
 * queries, whose products are small beside that of the queries: figures by `npm run bench:rewrites`.
 */
import { z } from 'zod';
import type { Graph } from '../graph/graph.ts';
import { inferNode } from '../graph/infer/infer.ts';
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { removeDeadCode } from '../rewrite/dead-code.ts';
import { allNodes } from '../rewrite/driver.ts';
import { Rewriter } from '../rewrite/rewriter.ts';
import { zeros } from '../tensor/derived/fill.ts';
import { concat } from '../tensor/derived/join.ts';
import { reshape } from '../tensor/derived/reshape.ts';
import { transpose2d, untranspose } from '../tensor/derived/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Pass } from './pass.ts';

/** A product with less than this part of the widest one's outputs gains nothing by being part of it. */
const narrowest = 1 / 2;

const blockProduct = 'com.microsoft::MatMulNBits';

export const packQkv: Pass<Record<string, never>> = {
  name: 'pack-qkv',
  summary: 'computes products that share an input, as queries, keys and values do, in one',
  options: z.strictObject({}),
  run: (model) => {
    let packed = 0;
    const groups = groupsOf(model.graph);
    for (const group of groups) {
      packed += group.length;
      pack(group);
    }
    if (packed > 0) removeDeadCode(model.graph);
    return { changed: packed > 0, stats: { groups: groups.length, products: packed } };
  },
};

interface Product {
  readonly node: Node;
  readonly weights: readonly Weight[];
  /** N. */
  readonly width: number;
  readonly bias: Tensor | undefined;
  /** With the bias, where it has one. */
  readonly output: Value;
}

/** A constant input, one row per output. */
interface Weight {
  readonly value: Value;
  readonly rows: Tensor;
}

/** Products that can be one, in the graph's order. */
function groupsOf(graph: Graph): readonly (readonly Product[])[] {
  const groups = new Map<Value, Map<string, Product[]>>();
  for (const node of allNodes(graph)) {
    const [x, product] = [node.input(0), readProduct(node)];
    if (x === undefined || product === undefined) continue;
    const alike = groups.get(x) ?? new Map<string, Product[]>();
    groups.set(x, alike);
    const kind = kindOf(product, node);
    alike.set(kind, [...(alike.get(kind) ?? []), product]);
  }
  return [...groups.values()]
    .flatMap((alike) => [...alike.values()])
    .map((group) => {
      const widest = Math.max(...group.map(({ width }) => width));
      return group.filter(({ width }) => width >= narrowest * widest);
    })
    .filter((group) => group.length > 1 && group.every(({ node }) => node.graph === group[0]?.node.graph));
}

function readProduct(node: Node): Product | undefined {
  if (node.op !== 'MatMul' && node.op !== blockProduct) return undefined;
  const inputs = node.inputs.slice(1, node.op === 'MatMul' ? 2 : 4);
  const weights = inputs.map((input) => (input === null ? undefined : readWeight(node, input)));
  if (weights.some((weight, index) => weight === undefined && inputs[index] !== null)) return undefined;
  // g_idx orders channels of the input, which products do not share.
  if (node.op === blockProduct && node.input(4) !== undefined) return undefined;
  const present = weights.filter((weight) => weight !== undefined);
  const width = node.op === 'MatMul' ? present[0]?.rows.shape[0] : node.int('N');
  if (width === undefined) return undefined;
  const own = node.op === blockProduct ? node.input(5) : undefined;
  const sum = own === undefined ? biasedBy(node, width) : undefined;
  const bias = constantTensor(own) ?? sum?.bias;
  if (own !== undefined && bias === undefined) return undefined;
  return { node, weights: present, width, bias, output: sum?.output ?? node.output };
}

function readWeight(node: Node, value: Value): Weight | undefined {
  const tensor = constantTensor(value);
  if (tensor === undefined || value.uses.size !== 1 || value.isOutput) return undefined;
  if (node.op === blockProduct) return { value, rows: tensor };
  return tensor.shape.length === 2 ? { value, rows: untranspose(tensor) ?? transpose2d(tensor) } : undefined;
}

/** Add(product, constant [N]), where nothing else reads the product. */
function biasedBy(node: Node, width: number): { readonly bias: Tensor; readonly output: Value } | undefined {
  const [use, ...others] = node.output.uses;
  const add = use?.node;
  if (add?.op !== 'Add' || others.length > 0 || node.output.isOutput || add.graph !== node.graph)
    return undefined;
  const tensor = constantTensor(add.inputs.find((input) => input !== node.output) ?? undefined);
  if (tensor?.shape.at(-1) !== width || tensor.shape.slice(0, -1).some((dim) => dim !== 1)) return undefined;
  const rank = node.output.type?.kind === 'tensor' ? node.output.type.shape?.length : undefined;
  return rank === undefined || tensor.shape.length > rank
    ? undefined
    : { bias: reshape(tensor, [width]), output: add.output };
}

/** What has to be alike for weights to be rows of one. */
function kindOf({ weights }: Product, node: Node): string {
  const shapes = weights.map(({ rows }) => [rows.dtype, ...rows.shape.slice(1)]);
  const attributes = ['K', 'bits', 'block_size', 'accuracy_level'].map((name) => node.int(name) ?? '');
  return [
    node.op,
    node.inputs.map((input) => (input === null ? '-' : '+')).slice(0, 4),
    ...shapes,
    ...attributes,
  ].join();
}

function pack(group: readonly Product[]): void {
  const [first] = group;
  const x = first?.node.input(0);
  if (first === undefined || x === undefined) throw new RangeError('a group has products of one input');
  const { node } = first;
  const sums = group.flatMap(({ node, output }) =>
    output.producer === undefined || output.producer === node ? [] : [output.producer],
  );
  const rewriter = new Rewriter(node, [...group.map((product) => product.node), ...sums], inferNode);
  const weights = first.weights.map(({ value }, index) => {
    const rows = concat(group.flatMap(({ weights }) => weights[index]?.rows ?? []));
    return rewriter.constant(`${value.name}_packed`, node.op === 'MatMul' ? transpose2d(rows) : rows);
  });
  const width = group.reduce((sum, product) => sum + product.width, 0);
  const product = rewriter.op(node.opType, [x, ...inPlace(node, weights)], {
    domain: node.domain,
    attributes: { ...Object.fromEntries(node.attributes), ...(node.op === 'MatMul' ? {} : { N: width }) },
  });
  const biases = group.map(({ bias, width }) => bias ?? zeros(dtypeOf(product), [width]));
  const biased = group.some(({ bias }) => bias !== undefined)
    ? rewriter.op('Add', [product, rewriter.constant(`${node.name}_bias_packed`, concat(biases))])
    : product;
  const parts = rewriter.node(
    'Split',
    [biased, rewriter.int64(group.map((product) => product.width))],
    group.map(() => ({})),
    { attributes: { axis: -1 } },
  );
  for (const [index, { output }] of group.entries()) {
    const part = parts.outputs[index];
    if (part != null) rewriter.replace(output, part);
  }
}

/** The packed inputs where the node has its own. */
function inPlace(node: Node, weights: readonly Value[]): readonly (Value | null)[] {
  const rest = [...weights];
  return node.inputs.slice(1, 4).map((input) => (input === null ? null : (rest.shift() ?? null)));
}

function dtypeOf({ type, name }: Value): Tensor['dtype'] {
  if (type?.kind !== 'tensor') throw new RangeError(`${name} has no type`);
  return type.dtype;
}
