/**
 * What layer normalization and RMS normalization have in common: the spread that both divide by, the axes, the
 * operator with a scale of ones, and rules that take the learned scale, the bias and casts around it inside.
 *
 * The normalized axes may be any: where they are not the last ones ([N, C, H, W] over C, as ConvNeXt writes it),
 * the operator stands between two Transposes.
 */
import { float } from '../../graph/attribute.ts';
import type { Model } from '../../graph/model.ts';
import type { Node } from '../../graph/node.ts';
import { type Dim, formatType } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { constantNumbers, constantScalar, constantTensor } from '../../rewrite/constants.ts';
import type { Match } from '../../rewrite/matcher.ts';
import {
  any,
  constant,
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
import { type Rule, rule } from '../../rewrite/rule.ts';
import { noKernel, type Target } from '../../targets/target.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { type DType, dtypeOfCode, elementCount, isFloat } from '../../tensor/dtype.ts';
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
  const shape = dims(x);
  const dtype = x.type?.kind === 'tensor' ? x.type.dtype : undefined;
  if (shape === undefined || dtype === undefined) return `${x.name} is of unknown rank`;
  if (!isFloat(dtype)) return `${x.name} is ${dtype}`;
  const output = match.root.output;
  if (dims(output)?.length !== shape.length) {
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

/** The operator over the last axes of x, between Transposes where other axes are normalized. */
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
  return moves ? rewriter.op('Transpose', [normed], { attributes: { perm: back } }) : normed;
}

/**
 * Rules that take inside what stands around an operator with a scale of ones: casts from and to a narrower type,
 * the learned scale, and, for LayerNormalization, the bias.
 */
export function affineRules(operators: readonly string[], platform: Platform): readonly Rule[] {
  const unscaled = op<'x' | 'ones' | 'norm'>(operators, [any('x'), constant('ones', isOnes)], { as: 'norm' });
  // Two norms of the same value with scales of their own, of which only the scales were still two.
  const several = { ...unscaled, shared: true, checks: [...unscaled.checks, onlyMultiplied] };
  const scaled = op<'x' | 'scale' | 'norm'>('LayerNormalization', [any('x'), any('scale')], { as: 'norm' });
  const moved = <N extends string>(pattern: ValuePattern<N>): ValuePattern<N | 'moved'> =>
    either<N | 'moved'>(pattern, op<N | 'moved'>('Transpose', [pattern], { as: 'moved' }));
  const around = (
    opType: string,
    pattern: ValuePattern<'x' | 'ones' | 'scale' | 'norm'>,
    name: string,
  ): Rule =>
    rule({
      name,
      pattern: op<'x' | 'ones' | 'scale' | 'norm' | 'moved' | 'vector'>(opType, [
        moved(pattern),
        any('vector'),
      ]),
      refine: (match) => {
        const norm = match.node('norm');
        const vector = alongAxes(match.value('vector'), norm, match.find('moved')?.producer);
        if (typeof vector === 'string') return vector;
        const inputs = [match.value('x'), ...(opType === 'Mul' ? [] : [match.value('scale')])];
        return { norm, inputs, vector, moved: match.find('moved')?.producer, output: match.root.output };
      },
      rewrite: ({ norm, inputs, vector, moved, output }, rewriter) => {
        const { value, tensor } = vector;
        const last = tensor === undefined ? value : rewriter.constant(value.name, tensor);
        const normed = rewriter.op(norm.op, [...inputs, last], {
          attributes: Object.fromEntries(norm.attributes),
        });
        rewriter.replace(
          output,
          moved === undefined
            ? normed
            : rewriter.op('Transpose', [normed], { attributes: Object.fromEntries(moved.attributes) }),
        );
      },
    });
  return [
    narrowed(unscaled, platform),
    around('Mul', several, 'scale-inside'),
    ...(operators.includes('LayerNormalization') ? [around('Add', scaled, 'bias-inside')] : []),
  ];
}

/** float16 → Cast → norm in float32 → Cast → float16 is what the operator does with float16 (stash_type). */
function narrowed(unscaled: OpPattern<'x' | 'ones' | 'norm'>, { targets, opset }: Platform): Rule {
  const widened: OpPattern<'x' | 'wide' | 'ones' | 'norm'> = {
    ...unscaled,
    inputs: [op<'x' | 'wide'>('Cast', [any('x')], { shared: true }), ...unscaled.inputs.slice(1)],
  };
  return rule({
    name: 'narrow',
    pattern: op('Cast', [widened]),
    refine: (match) => {
      const [x, norm] = [match.value('x'), match.node('norm')];
      const dtype = x.type?.kind === 'tensor' ? x.type.dtype : undefined;
      const to = dtypeOfCode(match.root.int('to') ?? 0);
      const wide = match.value('norm').type;
      if (dtype === undefined || dtype !== to) return `${x.name} is ${dtype}, the result ${to}`;
      if (
        (dtype !== 'float16' && dtype !== 'bfloat16') ||
        wide?.kind !== 'tensor' ||
        wide.dtype !== 'float32'
      ) {
        return `it is not computed in float32 for a narrower type`;
      }
      const missing = noKernel(targets, norm.op, { opset, dtype });
      if (missing !== undefined) return missing;
      const sizes = constantTensor(norm.input(1))?.shape ?? [];
      return { x, norm, scale: ones(dtype, sizes), output: match.root.output };
    },
    rewrite: ({ x, norm, scale, output }, rewriter) => {
      const inputs = [x, rewriter.constant(`${output.name}_scale`, scale)];
      rewriter.replace(
        output,
        rewriter.op(norm.op, inputs, { attributes: Object.fromEntries(norm.attributes) }),
      );
    },
  });
}

/**
 * A factor or summand of a norm's output as the operator takes it: one number per element of the normalized axes, a
 * value as it is or a constant to be reshaped.
 */
function alongAxes(
  value: Value,
  norm: Node,
  moved: Node | undefined,
): { readonly value: Value; readonly tensor?: Tensor } | string {
  const shape = dims(norm.output);
  const own = dims(value);
  if (shape === undefined || own === undefined) return `${value.name} is of unknown rank`;
  if (dtypeOf(value) !== dtypeOf(norm.output)) return `${value.name} is of another type than the norm`;
  const axis = norm.int('axis') ?? -1;
  const from = axis < 0 ? axis + shape.length : axis;
  const sizes = shape.slice(from);
  const perm = moved === undefined ? [...shape.keys()] : moved.ints('perm');
  const swaps = moved !== undefined && sizes.length > 1;
  if (perm === undefined || own.length > shape.length || swaps) return `${value.name} is not along the axes`;
  // Axes of the norm's output that the value's dimensions stand for, missing ones in front being 1.
  const covered = new Map(own.map((dim, index) => [perm[shape.length - own.length + index] ?? -1, dim]));
  const fits = [...shape.keys()].every((index) => {
    const dim = covered.get(index) ?? 1;
    return index < from ? dim === 1 : typeof dim === 'number' && dim === shape[index];
  });
  if (!fits) return `${value.name} is ${formatType(value.type)}, not one number per [${sizes}]`;
  if (own.length === sizes.length && moved === undefined) return { value };
  const tensor = constantTensor(value);
  const wanted = sizes.filter((size) => typeof size === 'number');
  return tensor === undefined
    ? `${value.name} is ${formatType(value.type)} and no constant`
    : { value, tensor: reshape(tensor, wanted) };
}

function onlyMultiplied(norm: Node): string | undefined {
  const other = norm.output.isOutput || norm.output.consumers().some((node) => node.op !== 'Mul');
  const alone = norm.output.uses.size === 1 && !norm.output.isOutput;
  return alone || !other ? undefined : `${norm.output.name} is also read as it is`;
}

function isOnes(value: Value): string | undefined {
  return constantNumbers(value)?.every((number) => number === 1) === true
    ? undefined
    : `${value.name} is a learned scale`;
}

/** The bit pattern of 1, as little-endian bytes. */
const one: Readonly<Partial<Record<DType, readonly number[]>>> = {
  float16: [0, 0x3c],
  bfloat16: [0x80, 0x3f],
  float32: [0, 0, 0x80, 0x3f],
  float64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f],
};

function ones(dtype: DType, shape: readonly number[]): Tensor {
  const pattern = one[dtype] ?? [];
  const bytes = new Uint8Array(elementCount(shape) * pattern.length);
  return inlineTensor(
    dtype,
    shape,
    bytes.map((_, index) => pattern[index % pattern.length] ?? 0),
  );
}

export function dims(value: Value): readonly Dim[] | undefined {
  return value.type?.kind === 'tensor' ? value.type.shape : undefined;
}

export function dtypeOf(value: Value): DType | undefined {
  return value.type?.kind === 'tensor' ? value.type.dtype : undefined;
}

export function opsetOf(model: Model): number {
  return model.opsetImports.get('') ?? 0;
}
