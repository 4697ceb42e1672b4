/**
 * Computes what depends on small constants only: all such nodes of a graph go into one model without inputs, which
 * the runtime runs once. What is read and what is made is bounded before anything runs, and so is the work.
 */

import { extractModel } from '../../graph/extract.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { staticShape, type ValueType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { VlmError } from '../../report/diagnostics.ts';
import { constantTensor } from '../../rewrite/constants.ts';
import { allNodes } from '../../rewrite/driver.ts';
import { leafNames } from '../../tensor/derived/leaves.ts';
import { byteLengthOf, elementCount } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { PassContext } from '../pass.ts';
import { ownTypes } from './own-types.ts';

/** A constant above this is a weight, which nothing here reads: 4 MiB. */
const largestInput = 4 << 20;
/** All constants of one run: 64 MiB. */
const largestTotal = 64 << 20;
/** A result may be this much larger than what it is made of (masks, tables of positions): 1 MiB. */
const largestGrowth = 1 << 20;
/** Runs of one graph: what the runtime refuses is searched for by halves, which a graph of it should not prolong. */
const mostRuns = 40;
/** Multiplications of one product; a second of one core. */
const mostWork = 2 ** 31;

/**
 * Operators that give the same result whenever they run, take no longer than their inputs and outputs are large, and
 * have dense numbers on both sides. Quantized weights stay quantized: nothing that de-quantizes is here.
 */
const computed: ReadonlySet<string> = new Set(
  (
    'Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor ' +
    'Cast CastLike Ceil Celu Clip Compress Concat ConstantOfShape Cos Cosh CumSum DepthToSpace Div Elu Equal Erf Exp ' +
    'Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Greater GreaterOrEqual HardSigmoid HardSwish ' +
    'Identity IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log Max Mean Min Mod Mul Neg NonZero Not ' +
    'OneHot Or Pad Pow Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ' +
    'ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Shape Sigmoid Sign Sin ' +
    'Sinh Size Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh Tile TopK Transpose Trilu ' +
    'Unsqueeze Where Xor'
  ).split(' '),
);
const products: ReadonlySet<string> = new Set(['MatMul', 'Gemm']);

export interface Evaluated {
  readonly constants: number;
  /** Values that the runtime would not compute. */
  readonly refused: number;
}

/** Replaces values of a model's graphs by what they always are; `skip` are values that could not be computed before; without `weights`, nothing that lies in a file is read. */
export async function evaluateClosed(
  model: Model,
  cx: PassContext,
  skip: Set<Value>,
  weights: boolean,
): Promise<Evaluated> {
  const total = { constants: 0, refused: 0 };
  for (const graph of graphsOf(model.graph)) {
    const values = frontier(model, graph, skip, weights);
    if (values.length === 0) continue;
    const found = await compute({ ...model, graph, functions: [] }, values, cx, { left: mostRuns });
    for (const value of values) {
      const tensor = found.get(value.name);
      if (tensor === undefined) {
        skip.add(value);
        total.refused += 1;
        continue;
      }
      replace(value, tensor);
      total.constants += 1;
    }
  }
  return total;
}

function graphsOf(graph: Graph): Set<Graph> {
  return new Set([graph, ...[...allNodes(graph)].map((node) => node.graph)]);
}

/** The value's readers read a constant of its name. */
function replace(value: Value, tensor: Tensor): void {
  const { graph, name } = value;
  graph.renameValue(value, graph.freshName(`${name}_computed`));
  graph.replaceAllUses(value, graph.addInitializer(name, tensor));
}

/** Values that can be computed and that something else reads. */
function frontier(model: Model, graph: Graph, skip: ReadonlySet<Value>, weights: boolean): readonly Value[] {
  const candidates = closedValues(graph, { skip, weights, typeOf: ({ type }) => type });
  if (candidates.size === 0) return [];
  const types = ownTypes(model, graph, coneOf([...candidates]));
  const closed = closedValues(graph, { skip, weights, typeOf: ({ name }) => types.get(name) });
  return [...closed].filter((value) => {
    if (value.isOutput || skip.has(value)) return false;
    return value
      .consumers()
      .some((node) => !node.outputs.some((output) => output !== null && closed.has(output)));
  });
}

interface Limits {
  readonly skip: ReadonlySet<Value>;
  readonly weights: boolean;
  readonly typeOf: TypeOf;
}

type TypeOf = (value: Value) => ValueType | undefined;

/** Outputs of nodes that depend on small constants only and are small by their types. */
function closedValues(graph: Graph, limits: Limits): ReadonlySet<Value> {
  const closed = new Set<Value>();
  const leaves = new Set<Value>();
  let total = 0;
  for (const node of graph.nodes()) {
    const inputs = node.inputs.filter((input) => input !== null);
    if (!isClosed(node, inputs, closed, limits)) continue;
    const fresh = inputs.filter((input) => !closed.has(input) && !leaves.has(input));
    const bytes = fresh.reduce((sum, input) => sum + (constantTensor(input)?.byteLength ?? 0), 0);
    if (total + bytes > largestTotal) continue;
    total += bytes;
    for (const input of fresh) leaves.add(input);
    for (const output of node.outputs) if (output !== null) closed.add(output);
  }
  return closed;
}

function isClosed(
  node: Node,
  inputs: readonly Value[],
  closed: ReadonlySet<Value>,
  { skip, weights, typeOf }: Limits,
): boolean {
  if (node.domain !== '' || !(computed.has(node.opType) || products.has(node.opType))) return false;
  if (inputs.length === 0) return false;
  for (const input of inputs) {
    if (input.graph !== node.graph) return false;
    if (!closed.has(input) && !isSmallConstant(input, weights)) return false;
  }
  if (node.outputs.some((output) => output !== null && skip.has(output))) return false;
  const read = bytesOf(inputs, typeOf);
  const made = bytesOf(
    node.outputs.filter((output) => output !== null),
    typeOf,
  );
  if (read === undefined) return false;
  // How many elements are not zero is not known before, but no more than there are.
  if (made === undefined) return node.opType === 'NonZero' || node.opType === 'Compress';
  return made <= read + largestGrowth && (!products.has(node.opType) || work(inputs, typeOf) <= mostWork);
}

function isSmallConstant(value: Value, weights: boolean): boolean {
  const tensor = constantTensor(value);
  if (tensor === undefined || tensor.dtype === 'string' || tensor.byteLength > largestInput) return false;
  return weights || leafNames(tensor).length === 0;
}

function bytesOf(values: readonly Value[], typeOf: TypeOf): number | undefined {
  let total = 0;
  for (const value of values) {
    const type = typeOf(value);
    const shape = staticShape(type);
    if (type?.kind !== 'tensor' || shape === undefined || type.dtype === 'string') return undefined;
    total += byteLengthOf(type.dtype, shape);
  }
  return total;
}

/** At least as many multiplications as the product of two tensors takes. */
function work([left, right]: readonly Value[], typeOf: TypeOf): number {
  const count = (value: Value | undefined) => elementCount(staticShape(value && typeOf(value)) ?? []);
  return count(left) * count(right);
}

/** What the runtime refuses is left out: halves are tried until it is found. */
async function compute(
  model: Model,
  values: readonly Value[],
  cx: PassContext,
  runs: { left: number },
): Promise<ReadonlyMap<string, Tensor>> {
  if (runs.left <= 0) return new Map();
  runs.left -= 1;
  try {
    return await cx.evaluate(extractModel(model, { nodes: coneOf(values), inputs: [], outputs: values }));
  } catch (error) {
    if (!(error instanceof VlmError)) throw error;
    if (values.length === 1) {
      cx.note(`${values[0]?.name} is not computed at compile time: ${error.record.found ?? error.message}`);
      return new Map();
    }
    const half = Math.ceil(values.length / 2);
    const first = await compute(model, values.slice(0, half), cx, runs);
    return new Map([...first, ...(await compute(model, values.slice(half), cx, runs))]);
  }
}

/** The nodes that values are computed by. */
function coneOf(values: readonly Value[]): ReadonlySet<Node> {
  const nodes = new Set<Node>();
  const pending = values.flatMap(({ producer }) => producer ?? []);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (nodes.has(node)) continue;
    nodes.add(node);
    for (const input of node.inputs) if (input?.producer !== undefined) pending.push(input.producer);
  }
  return nodes;
}
