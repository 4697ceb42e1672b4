/**
 * Layout work on constants of any size, which become derived tensors: nothing is read. Small ones with other work
 * on them are computed (evaluate-closed.ts).
 */
import { staticShape } from '../../graph/types.ts';
import type { Value } from '../../graph/value.ts';
import { isConvertible } from '../../kernels/convert.ts';
import { constantNumbers, constantTensor } from '../../rewrite/constants.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { cast } from '../../tensor/derived/cast.ts';
import { concat } from '../../tensor/derived/join.ts';
import { reshape } from '../../tensor/derived/reshape.ts';
import { sliceRows } from '../../tensor/derived/rows.ts';
import { transpose2d } from '../../tensor/derived/transpose.ts';
import { bitsOf, byteLengthOf, type DType, dtypeOfCode, elementCount, isFloat } from '../../tensor/dtype.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { swapsLast } from '../folds.ts';
import { derive, replaceByConstant } from './rule-forms.ts';

/** Elements of constants that are no weights: rules read their numbers. */
const mostParameters = 64;

const foldCast = derive('cast-of-constant', ['Cast'], (node) => {
  const tensor = constantTensor(node.input(0));
  const to = dtypeOfCode(node.int('to') ?? 0);
  if (tensor === undefined || to === undefined) return 'not a constant';
  if (tensor.origin.kind === 'inline' && elementCount(tensor.shape) <= mostParameters)
    return 'small enough to be computed';
  const folds = [tensor.dtype, to].every((dtype) => isFloat(dtype) && isConvertible(dtype));
  return folds ? cast(tensor, to) : 'not a cast between float types that are converted here';
});

const foldTranspose = derive('transpose-of-constant', ['Transpose'], (node) => {
  const tensor = constantTensor(node.input(0));
  if (tensor === undefined) return 'not a constant';
  const perm = node.ints('perm') ?? [...tensor.shape.keys()].reverse();
  // Axes of 1 may go anywhere.
  const moving = perm.filter((axis) => tensor.shape[axis] !== 1);
  const shape = perm.map((axis) => tensor.shape[axis] ?? 1);
  if (moving.every((axis, index) => index === 0 || axis > (moving[index - 1] ?? 0)))
    return reshape(tensor, shape);
  return swapsLast(perm) && isWhole(tensor.dtype)
    ? transpose2d(tensor)
    : `perm [${perm}] is not a swap of the last two axes`;
});

const foldReshape = derive('reshape-of-constant', ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'], (node) => {
  const tensor = constantTensor(node.input(0));
  const shape = staticShape(node.output.type);
  if (tensor === undefined || shape === undefined) return 'not a constant, or the shape is not known';
  return elementCount(shape) === elementCount(tensor.shape) ? reshape(tensor, shape) : 'the shapes disagree';
});

/** Rows [0, n) of a table (position ids), or all of it. */
const foldGather = derive('rows-of-constant', ['Gather'], (node) => {
  const tensor = constantTensor(node.input(0));
  const indices = constantNumbers(node.input(1));
  const shape = staticShape(node.output.type);
  if (tensor === undefined || indices === undefined || shape === undefined) return 'not constants';
  const axis = axisOf(node.int('axis') ?? 0, tensor.shape.length);
  const [first = 0] = indices;
  if (first < 0 || indices.length < 2 || indices.some((row, index) => row !== first + index))
    return 'not rows that follow each other';
  const rows = rowsAlong(tensor, axis, first, first + indices.length);
  return rows === undefined ? 'not along the first axis' : reshape(rows, shape);
});

const foldSlice = derive('slice-of-constant', ['Slice'], (node) => {
  const tensor = constantTensor(node.input(0));
  const shape = staticShape(node.output.type);
  const starts = constantNumbers(node.input(1));
  const steps = node.input(4) === undefined ? [1] : constantNumbers(node.input(4));
  const axes = node.input(3) === undefined ? [0] : constantNumbers(node.input(3));
  if (tensor === undefined || shape === undefined || starts?.length !== 1 || axes?.length !== 1)
    return 'not one axis of a constant';
  if (steps?.[0] !== 1) return 'a step that is not 1';
  const axis = axisOf(axes[0] ?? 0, tensor.shape.length);
  const dim = tensor.shape[axis] ?? 0;
  const start = starts[0] ?? 0;
  const begin = Math.min(Math.max(start < 0 ? start + dim : start, 0), dim);
  return rowsAlong(tensor, axis, begin, begin + (shape[axis] ?? 0)) ?? 'not along the first axis';
});

/** The parts of a constant; each becomes a constant of its own. */
const foldSplit = nodeRule<{ parts: readonly (readonly [Value, Tensor])[] }>({
  name: 'split-of-constant',
  roots: ['Split'],
  inspect: (node) => {
    const tensor = constantTensor(node.input(0));
    if (tensor === undefined) return 'not a constant';
    const axis = axisOf(node.int('axis') ?? 0, tensor.shape.length);
    const parts: (readonly [Value, Tensor])[] = [];
    let begin = 0;
    for (const output of node.outputs) {
      const dim = staticShape(output?.type)?.[axis];
      if (output === null || dim === undefined || output.isOutput) return 'a part has no name or no size';
      const part = rowsAlong(tensor, axis, begin, begin + dim);
      if (part === undefined) return 'not along the first axis';
      parts.push([output, part]);
      begin += dim;
    }
    return { parts };
  },
  rewrite: ({ parts }, rewriter) => {
    for (const [output, part] of parts) replaceByConstant(output, part, rewriter);
  },
});

/** Weights below each other, each above what is computed at once. */
const foldConcat = nodeRule<{ from: Value; tensors: readonly Tensor[] }>({
  name: 'concat-of-constants',
  roots: ['Concat'],
  inspect: (node) => {
    const tensors = node.inputs.flatMap((input) => constantTensor(input ?? undefined) ?? []);
    const [first] = tensors;
    if (first === undefined || tensors.length < node.inputs.length) return 'not constants';
    if (axisOf(node.int('axis') ?? 0, first.shape.length) !== 0 || !isWhole(first.dtype))
      return 'not along the first axis';
    if (node.output.isOutput) return `${node.output.name} is an output of the graph`;
    if (tensors.every(({ origin }) => origin.kind === 'inline')) return 'small enough to be computed';
    return { from: node.output, tensors };
  },
  rewrite: ({ from, tensors }, rewriter) => replaceByConstant(from, concat(tensors), rewriter),
});

export const weightFolds: readonly Rule[] = [
  foldCast,
  foldTranspose,
  foldReshape,
  foldGather,
  foldSlice,
  foldSplit,
  foldConcat,
];

function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

function isWhole(dtype: DType): boolean {
  return dtype !== 'string' && bitsOf(dtype) % 8 === 0;
}

/** Elements [begin, end) of an axis that only axes of 1 stand before. */
function rowsAlong(tensor: Tensor, axis: number, begin: number, end: number): Tensor | undefined {
  const { shape } = tensor;
  if (!isWhole(tensor.dtype) || shape.slice(0, axis).some((dim) => dim !== 1)) return undefined;
  if (end > (shape[axis] ?? 0) || byteLengthOf(tensor.dtype, shape) === 0 || begin >= end) return undefined;
  const rows = sliceRows(reshape(tensor, shape.slice(axis)), begin, end);
  return reshape(rows, [...shape.slice(0, axis), ...rows.shape]);
}
