/** Type rules of products: MatMul and its kin, Gemm, Einsum, convolution, pooling, Resize. Images are [N, C, ...]. */
import type { Dim } from '../types.ts';
import { tensorType } from '../types.ts';
import { type Rule, type RuleContext, typed } from './context.ts';
import {
  addDims,
  broadcastShapes,
  floorDivideDims,
  multiplyDims,
  sameDim,
  subtractDims,
  unifyDims,
} from './dims.ts';
import { floatsOf } from './floats.ts';

/** numpy.matmul of two shapes; throws where the operands do not fit. */
export function matmulShape(
  cx: RuleContext,
  a: readonly Dim[] | undefined,
  b: readonly Dim[] | undefined,
): readonly Dim[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a.length === 0 || b.length === 0)
    throw cx.fail('VC3101', cx.describeInputs(), 'operands of rank 1 or more');
  const inner = a.at(-1) ?? null;
  const other = (b.length === 1 ? b[0] : b.at(-2)) ?? null;
  if (sameDim(inner, other) === false) {
    throw cx.fail('VC3101', cx.describeInputs(), `inner dimensions that agree, not ${inner} and ${other}`);
  }
  const batch = broadcastShapes([a.slice(0, -2), b.slice(0, -2)]);
  if (batch === undefined) throw cx.fail('VC3101', cx.describeInputs(), 'leading dimensions that broadcast');
  return [
    ...batch,
    ...(a.length === 1 ? [] : [a.at(-2) ?? null]),
    ...(b.length === 1 ? [] : [b.at(-1) ?? null]),
  ];
}

const matmul: Rule = (cx) => {
  const [a, b] = [cx.dtype(0), cx.dtype(1)];
  if (a !== undefined && b !== undefined && a !== b) {
    throw cx.fail('VC3103', cx.describeInputs(), 'operands of one element type');
  }
  return [typed(a ?? b, matmulShape(cx, cx.shape(0), cx.shape(1)))];
};

const matmulInteger: Rule = (cx) => [tensorType('int32', matmulShape(cx, cx.shape(0), cx.shape(1)))];

const gemm: Rule = (cx) => {
  cx.checkRank(0, 2);
  cx.checkRank(1, 2);
  const turned = (index: number, name: string) => {
    const shape = cx.shape(index);
    return shape !== undefined && cx.node.int(name) === 1 ? shape.toReversed() : shape;
  };
  const shape = matmulShape(cx, turned(0, 'transA'), turned(1, 'transB'));
  const bias = cx.shape(2);
  if (shape !== undefined && bias !== undefined && broadcastShapes([shape, bias])?.length !== 2) {
    throw cx.fail(
      'VC3101',
      cx.describeInputs(),
      `a bias that broadcasts to [${shape.map((dim) => dim ?? '?')}]`,
    );
  }
  return [typed(cx.dtype(0) ?? cx.dtype(1), shape)];
};

/** Equations without an ellipsis. */
const einsum: Rule = (cx) => {
  const shapes = cx.shapes();
  const equation = cx.node.string('equation')?.replaceAll(' ', '');
  if (shapes === undefined || equation === undefined || equation.includes('.'))
    return [typed(cx.dtype(0), undefined)];
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  const sizes = new Map<string, Dim>();
  for (const [index, term] of terms.entries()) {
    const shape = shapes[index];
    if (shape?.length !== term.length || terms.length !== shapes.length) {
      throw cx.fail('VC3101', cx.describeInputs(), `operands of ${equation}`);
    }
    for (const [at, letter] of [...term].entries()) {
      const [known, dim] = [sizes.get(letter) ?? null, shape[at] ?? null];
      if (known !== 1 && dim !== 1 && sameDim(known, dim) === false) {
        throw cx.fail('VC3101', cx.describeInputs(), `equal sizes for ${letter} in ${equation}`);
      }
      sizes.set(letter, known === 1 ? dim : dim === 1 && known !== null ? known : unifyDims(known, dim));
    }
  }
  const once = () => [...sizes.keys()].filter((letter) => left.split(letter).length === 2).sort();
  const output = right === undefined ? once() : [...right];
  return [
    typed(
      cx.dtype(0),
      output.map((letter) => sizes.get(letter) ?? null),
    ),
  ];
};

/** Output size of a window that moves over one spatial axis. */
function windowed(
  size: Dim,
  kernel: Dim,
  stride: number,
  dilation: number,
  pads: number,
  round: (x: number) => number,
): Dim {
  if (typeof kernel !== 'number') return null;
  const reach = dilation * (kernel - 1) + 1;
  const span = subtractDims(addDims(size, pads), reach);
  if (typeof span === 'number') return round(span / stride) + 1;
  return addDims(floorDivideDims(round === Math.ceil ? addDims(span, stride - 1) : span, stride), 1);
}

function spatial(cx: RuleContext, shape: readonly Dim[], kernel: readonly Dim[]): Dim[] {
  const { node } = cx;
  const axes = shape.length - 2;
  const auto = node.string('auto_pad') ?? 'NOTSET';
  const pads = node.ints('pads') ?? [];
  const strides = node.ints('strides') ?? [];
  const dilations = node.ints('dilations') ?? [];
  const round = node.int('ceil_mode') === 1 ? Math.ceil : Math.floor;
  return Array.from({ length: axes }, (_, axis) => {
    const size = shape[axis + 2] ?? null;
    const stride = strides[axis] ?? 1;
    if (stride < 1) throw cx.fail('VC3101', `strides ${strides}`, 'strides of 1 or more');
    if (auto.startsWith('SAME')) {
      if (stride === 1) return size;
      return floorDivideDims(addDims(size, stride - 1), stride);
    }
    const pad = auto === 'VALID' ? 0 : (pads[axis] ?? 0) + (pads[axis + axes] ?? 0);
    const result = windowed(size, kernel[axis] ?? null, stride, dilations[axis] ?? 1, pad, round);
    if (typeof result === 'number' && result < 0) {
      throw cx.fail('VC3101', cx.describe(0), `a size that the window ${kernel} fits in`);
    }
    return result;
  });
}

const conv: Rule = (cx) => {
  const [x, w] = [cx.shape(0), cx.shape(1)];
  const dtype = cx.node.opType === 'ConvInteger' ? 'int32' : cx.dtype(0);
  if (x === undefined || w === undefined) return [typed(dtype, undefined)];
  if (x.length < 3 || w.length !== x.length) {
    throw cx.fail(
      'VC3101',
      cx.describeInputs(),
      'input [N, C, ...] and weight [M, C/group, ...] of one rank',
    );
  }
  const channels = multiplyDims(w[1] ?? null, cx.node.int('group') ?? 1);
  if (sameDim(channels, x[1] ?? null) === false) {
    throw cx.fail('VC3101', cx.describeInputs(), `${channels} input channels`);
  }
  const kernel = cx.node.ints('kernel_shape') ?? w.slice(2);
  return [typed(dtype, [x[0] ?? null, w[0] ?? null, ...spatial(cx, x, kernel)])];
};

const pool: Rule = (cx) => {
  const x = cx.shape(0);
  const kernel = cx.node.ints('kernel_shape');
  const shape =
    x === undefined || kernel === undefined || x.length < 3
      ? undefined
      : [x[0] ?? null, x[1] ?? null, ...spatial(cx, x, kernel)];
  return [typed(cx.dtype(0), shape), tensorType('int64', shape)];
};

const globalPool: Rule = (cx) => [
  typed(
    cx.dtype(0),
    cx.shape(0)?.map((dim, axis) => (axis < 2 ? dim : 1)),
  ),
];

/** `sizes` is input 3, `scales` input 2 (input 1 before opset 11), each for `axes` or for all. */
const resize: Rule = (cx) => {
  const x = cx.shape(0);
  if (x === undefined) return [typed(cx.dtype(0), undefined)];
  const axes = (cx.node.ints('axes') ?? [...x.keys()]).map((axis) => cx.axis(axis, x.length));
  const keepsAspect = (cx.node.string('keep_aspect_ratio_policy') ?? 'stretch') !== 'stretch';
  const sizes = cx.has(3) ? cx.ints(3) : undefined;
  const scaleInput = cx.node.input(cx.node.inputs.length === 2 ? 1 : 2);
  const scales = cx.has(3) || scaleInput === undefined ? undefined : floatsOf(scaleInput);
  for (const list of [sizes, scales]) {
    if (list !== undefined && list.length > 0 && list.length !== axes.length) {
      throw cx.fail('VC3101', `${list.length} sizes or scales`, `one for each of ${axes.length} axes`);
    }
  }
  const shape = x.map((dim, index): Dim => {
    const at = axes.indexOf(index);
    if (at < 0) return dim;
    if (keepsAspect) return null;
    if (sizes !== undefined) return sizes[at] ?? null;
    const scale = scales?.[at];
    if (scale === 1) return dim;
    return typeof dim === 'number' && scale !== undefined ? Math.floor(dim * scale) : null;
  });
  return [typed(cx.dtype(0), shape)];
};

export const linearRules: readonly (readonly [string, Rule])[] = [
  ['MatMul', matmul],
  ['MatMulInteger', matmulInteger],
  ['Gemm', gemm],
  ['Einsum', einsum],
  ['Conv', conv],
  ['ConvInteger', conv],
  ['AveragePool', pool],
  ['MaxPool', pool],
  ['LpPool', pool],
  ['GlobalAveragePool', globalPool],
  ['GlobalMaxPool', globalPool],
  ['Resize', resize],
  ['Upsample', resize],
];
