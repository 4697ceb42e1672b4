/**
 * What layer normalization and RMS normalization have in common: the spread that both divide by, the axes, and the
 * operator with a scale of ones, into which norm-affine.ts takes what stands around it.
 *
 * The normalized axes may be any: where they are not the last ones ([N, C, H, W] over C, as ConvNeXt writes it),
 * the operator stands between two Transposes.
 */
import { float } from '../../graph/attribute.ts';
import type { Node } from '../../graph/node.ts';
import { formatType } from '../../graph/types.ts';
import { dimsOf, dtypeOf, type Value } from '../../graph/value.ts';
import { constantNumbers, constantScalar } from '../../rewrite/constants.ts';
import type { Match } from '../../rewrite/matcher.ts';
import {
  either,
  type Factor,
  number,
  type OpPattern,
  op,
  over,
  scalar,
  type ValuePattern,
} from '../../rewrite/pattern.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import type { Target } from '../../targets/target.ts';
import { codeOfDType, type DType, elementCount, isFloat } from '../../tensor/dtype.ts';
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';

/** Where the result has to run. */
export interface Platform {
  readonly targets: readonly Target[];
  /** Operator set of ai.onnx. */
  readonly opset: number;
}

/** ReduceMean that keeps its axes; `meanAxes` reads them. */
export function mean<N extends string>(of: ValuePattern<N>, as: N): OpPattern<N> {
  return op<N>('ReduceMean', [of], {
    rest: true,
    as,
    where: (node) => ((node.int('keepdims') ?? 1) === 1 ? undefined : `${node.name} drops its axes`),
  });
}

export function square<N extends string>(of: ValuePattern<N>): ValuePattern<N> {
  return either<N>(op<N>('Pow', [of, number(2)]), op<N>('Mul', [of, of]));
}

/** The factor 1 / sqrt(variance + epsilon), in each of its spellings. */
export function inverseDeviations<N extends string>(
  variance: ValuePattern<N>,
): readonly Factor<N | 'epsilon'>[] {
  type Name = N | 'epsilon';
  const padded = either<Name>(op<Name>('Add', [variance, scalar('epsilon')]), variance);
  return [
    over<Name>(either<Name>(op<Name>('Sqrt', [padded]), op<Name>('Pow', [padded, number(0.5)]))),
    { pattern: op<Name>('Pow', [padded, number(-0.5)]), inverted: false },
  ];
}

/** A normalization as it was recognised. */
export interface Norm {
  readonly x: Value;
  readonly dtype: DType;
  readonly rank: number;
  /** Normalized axes of x, ascending, and their sizes. */
  readonly axes: readonly number[];
  readonly sizes: readonly number[];
  readonly epsilon: number;
  readonly output: Value;
}

/** Ones of more elements than this are not made: no learned scale of a norm is that large. */
const largestScale = 1 << 22;

/** Reads the axes and the epsilon of a match over x; a string says why it is no normalization. */
export function readNorm(match: Match<'x' | 'epsilon'>, reductions: readonly Node[]): Norm | string {
  const x = match.value('x');
  const shape = dimsOf(x);
  const dtype = dtypeOf(x);
  if (shape === undefined || dtype === undefined) return `${x.name} is of unknown rank`;
  if (!isFloat(dtype)) return `${x.name} is ${dtype}`;
  const output = match.root.output;
  if (dimsOf(output)?.length !== shape.length) {
    return `${output.name} is ${formatType(output.type)}, ${x.name} is ${formatType(x.type)}`;
  }
  let axes: readonly number[] | undefined;
  for (const node of reductions) {
    const own = meanAxes(node, shape.length);
    if (own === undefined) return `the axes of ${node.name} are not constant`;
    if (axes !== undefined && String(axes) !== String(own)) {
      return `${node.name} is over the axes [${own}], another mean over [${axes}]`;
    }
    axes = own;
  }
  const sizes = (axes ?? []).map((axis) => shape[axis] ?? null);
  const known = sizes.filter((size) => typeof size === 'number');
  if (axes === undefined || axes.length === 0 || known.length < sizes.length) {
    return `the size of the axes [${axes}] of ${x.name}, ${formatType(x.type)}, is not known`;
  }
  if (elementCount(known) > largestScale) return `it is over ${elementCount(known)} elements`;
  const epsilon = match.find('epsilon') === undefined ? 0 : constantScalar(match.find('epsilon'));
  if (epsilon === undefined || epsilon < 0) return `the epsilon is not a positive number`;
  return { x, dtype, rank: shape.length, axes, sizes: known, epsilon, output };
}

function meanAxes(node: Node, rank: number): readonly number[] | undefined {
  const given = node.ints('axes') ?? (node.input(1) === undefined ? [] : constantNumbers(node.input(1)));
  if (given === undefined) return undefined;
  if (given.length === 0 && node.int('noop_with_empty_axes') === 1) return undefined;
  const axes =
    given.length === 0 ? [...Array(rank).keys()] : given.map((axis) => (axis < 0 ? axis + rank : axis));
  return [...new Set(axes)].sort((a, b) => a - b);
}

/**
 * The operator over the last axes of x, between Transposes where other axes are normalized; in the type of x, cast to
 * that of the output where it is another.
 */
export function writeNorm(rewriter: Rewriter, opType: string, norm: Norm): Value {
  const { x, dtype, rank, axes, sizes, epsilon, output } = norm;
  const kept = [...Array(rank).keys()].filter((axis) => !axes.includes(axis));
  const perm = [...kept, ...axes];
  const moves = perm.some((axis, index) => axis !== index);
  const last = moves ? rewriter.op('Transpose', [x], { attributes: { perm } }) : x;
  const scale = rewriter.constant(`${output.name}_scale`, ones(dtype, sizes));
  const normed = rewriter.op(opType, [last, scale], {
    attributes: { axis: -axes.length, epsilon: float(epsilon), stash_type: 1 },
  });
  const back = perm.map((_, axis) => perm.indexOf(axis));
  const placed = moves ? rewriter.op('Transpose', [normed], { attributes: { perm: back } }) : normed;
  const wanted = dtypeOf(output) ?? dtype;
  return wanted === dtype
    ? placed
    : rewriter.op('Cast', [placed], { attributes: { to: codeOfDType(wanted) } });
}

/** The bit pattern of 1, as little-endian bytes. */
const one: Readonly<Partial<Record<DType, readonly number[]>>> = {
  float16: [0, 0x3c],
  bfloat16: [0x80, 0x3f],
  float32: [0, 0, 0x80, 0x3f],
  float64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
};

export function ones(dtype: DType, shape: readonly number[]): Tensor {
  const pattern = one[dtype] ?? [];
  const bytes = new Uint8Array(elementCount(shape) * pattern.length);
  return inlineTensor(
    dtype,
    shape,
    bytes.map((_, index) => pattern[index % pattern.length] ?? 0),
  );
}
