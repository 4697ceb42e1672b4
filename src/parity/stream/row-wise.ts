/**
 * Whether a part computes each token by itself, as a decoder's head does: then it need not run over tokens whose
 * result nobody looks at, and logits of a large vocabulary do not fill the memory.
 *
 * Tokens are the middle axis of [N, S, C], for every value that is not a constant.
 */
import type { Node } from '../../graph/node.ts';
import type { Value } from '../../graph/value.ts';
import { constantNumbers, constantTensor } from '../../rewrite/constants.ts';
import type { RunTensor } from '../../runtime/values.ts';
import type { ModelPart } from './parts.ts';

const elementwise: ReadonlySet<string> = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Sqrt', 'Reciprocal', 'Neg', 'Cast', 'Identity'],
  ...['Sigmoid', 'Tanh', 'Erf', 'Gelu', 'Relu'],
  ...['Gelu', 'BiasGelu', 'FastGelu', 'QuickGelu'].map((op) => `com.microsoft::${op}`),
]);
const products: ReadonlySet<string> = new Set(['MatMul', 'com.microsoft::MatMulNBits']);
const norms: ReadonlySet<string> = new Set([
  ...['LayerNormalization', 'RMSNormalization', 'SimplifiedLayerNormalization'],
]);

/** The part's only input, where all that it does with it is done token by token; else undefined. */
export function rowWiseInput({ model: { graph } }: ModelPart): string | undefined {
  const [input, ...others] = graph.inputs;
  if (input === undefined || others.length > 0 || rank(input) !== 3) return undefined;
  return [...graph.nodes()].every(isRowWise) ? input.name : undefined;
}

function isRowWise(node: Node): boolean {
  const [data, ...rest] = node.inputs;
  const moving = node.inputs.filter((value) => value !== null && constantTensor(value) === undefined);
  if (moving.some((value) => value === null || rank(value) !== 3)) return false;
  if (rank(node.output) !== 3 || [...node.subgraphs()].length > 0) return false;
  // A constant of the rank of the data could differ from token to token.
  if (elementwise.has(node.op)) {
    return node.inputs.every((value) => value === null || moving.includes(value) || (rank(value) ?? 3) < 2);
  }
  if (data == null || !moving.includes(data) || moving.length > 1) return false;
  if (products.has(node.op)) return node.op !== 'MatMul' || rank(rest[0] ?? data) === 2;
  if (norms.has(node.op)) return isLast(node.int('axis') ?? -1);
  if (node.op !== 'ReduceMean' || node.int('keepdims') === 0) return false;
  const axes = node.ints('axes') ?? constantNumbers(node.input(1));
  return axes?.length === 1 && isLast(axes[0] ?? 0);
}

function isLast(axis: number): boolean {
  return axis === -1 || axis === 2;
}

function rank({ type }: Value): number | undefined {
  return type?.kind === 'tensor' ? type.shape?.length : undefined;
}

/** Rows of the middle axis of [1, S, C]. */
export function selectRows(value: RunTensor, rows: readonly number[]): RunTensor {
  const width = value.shape[2] ?? 0;
  const data = value.data.slice(0, rows.length * width) as RunTensor['data'];
  for (const [index, row] of rows.entries()) {
    // Both are of one type.
    (data as Float32Array).set(
      value.data.subarray(row * width, (row + 1) * width) as Float32Array,
      index * width,
    );
  }
  return { dtype: value.dtype, shape: [1, rows.length, width], data };
}
