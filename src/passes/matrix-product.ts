/**
 * Matrix products with a constant right side, as the passes that quantize weights see them: MatMul and Gemm in one
 * form, the weight as [N, K] (rows = outputs), however the graph lays it out.
 */
import type { Node } from '../graph/node.ts';
import type { Value } from '../graph/value.ts';
import { constantTensor } from '../rewrite/constants.ts';
import { transpose2d, untranspose } from '../tensor/derived/transpose.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface MatrixProduct {
  readonly node: Node;
  /** Index of the weight among the node's inputs. */
  readonly index: number;
  readonly left: Value;
  readonly weight: Value;
  /** [N, K]. */
  readonly rows: Tensor;
  /** Whether the graph reads the weight as [K, N]. */
  readonly transposed: boolean;
  /** What a Gemm adds to the product. */
  readonly addend: Value | undefined;
}

/** A product with a weight that cannot be taken apart, and why. */
export interface OtherProduct {
  readonly node: Node;
  readonly weight: Value;
  readonly reason: string;
}

export function isOtherProduct(product: MatrixProduct | OtherProduct): product is OtherProduct {
  return 'reason' in product;
}

/** Undefined where the node is no product, or none with a constant on the right. */
export function matrixProduct(node: Node): MatrixProduct | OtherProduct | undefined {
  if (node.op !== 'MatMul' && node.op !== 'Gemm') return undefined;
  const [left, weight] = [node.input(0), node.input(1)];
  const tensor = constantTensor(weight);
  if (left === undefined || weight === undefined || tensor === undefined) return undefined;
  const { shape } = tensor;
  const refused = (reason: string): OtherProduct => ({ node, weight, reason });
  if (shape.length < 2) return refused('a vector or a number');
  if (shape.length > 2) return refused(`${shape.length} axes: one matrix per batch`);
  const transposed = node.op === 'MatMul' || (node.int('transB') ?? 0) === 0;
  return {
    node,
    index: 1,
    left,
    weight,
    rows: transposed ? (untranspose(tensor) ?? transpose2d(tensor)) : tensor,
    transposed,
    addend: node.op === 'Gemm' ? node.input(2) : undefined,
  };
}

/** A tensor [N, K] as the graph reads the product's weight. */
export function asWeight({ transposed }: MatrixProduct, rows: Tensor): Tensor {
  return transposed ? transpose2d(rows) : rows;
}
