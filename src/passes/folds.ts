/**
 * Folds that need no arithmetic on weights: nodes that change nothing, pairs that cancel, and operators on
 * constants that become derived tensors. Shared by fold and by fusions that tidy up after themselves.
 */
import type { Node } from '../graph/node.ts';
import { staticShape, type ValueType } from '../graph/types.ts';
import type { Value } from '../graph/value.ts';
import { isConvertible } from '../kernels/convert.ts';
import { constantNumbers, constantScalar, constantTensor } from '../rewrite/constants.ts';
import { nodeRule, type Rule } from '../rewrite/rule.ts';
import { cast } from '../tensor/derived/cast.ts';
import { reshape } from '../tensor/derived/reshape.ts';
import { transpose2d } from '../tensor/derived/transpose.ts';
import { dtypeOfCode, elementCount, isFloat } from '../tensor/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Readers of the node's output read `to` instead. */
interface Bypass {
  readonly from: Value;
  readonly to: Value;
}

/** The node's output becomes a constant, derived from `source`. */
interface Fold {
  readonly from: Value;
  readonly source: Value;
  readonly tensor: Tensor;
}

function bypass(name: string, roots: readonly string[], target: (node: Node) => Value | string): Rule {
  return nodeRule<Bypass>({
    name,
    roots,
    inspect: (node) => {
      const to = target(node);
      if (typeof to === 'string') return to;
      // An output of the graph can only take its value from a node that has no other name to keep.
      const nameable = to.producer !== undefined && !to.isOutput && to.graph === node.graph;
      if (node.output.isOutput && !nameable) return `${to.name} cannot become the output ${node.output.name}`;
      return { from: node.output, to };
    },
    rewrite: ({ from, to }, rewriter) => rewriter.replace(from, to),
  });
}

function fold(name: string, roots: readonly string[], compute: (node: Node) => Tensor | string): Rule {
  return nodeRule<Fold>({
    name,
    roots,
    inspect: (node) => {
      const source = node.input(0);
      const tensor = compute(node);
      if (typeof tensor === 'string') return tensor;
      if (source === undefined || node.output.isOutput)
        return `${node.output.name} is an output of the graph`;
      return { from: node.output, source, tensor };
    },
    rewrite: ({ from, source, tensor }, rewriter) => {
      // A constant that nothing else reads keeps its name.
      const alone = source.initializer !== undefined && source.uses.size === 1 && !source.isOutput;
      if (alone) source.graph.setInitializer(source, tensor);
      rewriter.replace(from, alone ? source : rewriter.constant(source.name, tensor));
    },
  });
}

const identity = bypass('identity', ['Identity'], (node) => node.input(0) ?? 'no input');

const emptyCast = bypass('cast-to-same', ['Cast'], (node) => {
  const input = node.input(0);
  if (input?.type?.kind !== 'tensor' || input.type.dtype !== dtypeOfCode(node.int('to') ?? 0)) {
    return 'the type changes, or is not known';
  }
  return input;
});

const neutralScalar = bypass('times-one', ['Mul', 'Div'], (node) => {
  const [left, right] = [node.input(0), node.input(1)];
  if (left === undefined || right === undefined) return 'an input is left out';
  if (isOne(right) && sameShapes(node.output.type, left.type)) return left;
  if (node.op === 'Mul' && isOne(left) && sameShapes(node.output.type, right.type)) return right;
  return 'no factor of one';
});

/** Transposes that undo each other, and those that keep the order. */
const emptyTranspose = bypass('transpose-pair', ['Transpose'], (node) => {
  const input = node.input(0);
  const perm = node.ints('perm');
  if (input === undefined || perm === undefined) return 'no perm';
  if (perm.every((axis, index) => axis === index)) return input;
  const before = input.producer?.op === 'Transpose' ? input.producer : undefined;
  const earlier = before?.ints('perm');
  const source = before?.input(0);
  if (source === undefined || earlier === undefined) return 'no Transpose before it';
  return perm.every((axis, index) => earlier[axis] === index) ? source : 'the two do not cancel';
});

/** Reshapes that give a shape that the value has, or had before another Reshape. */
const emptyReshape = bypass('reshape-pair', ['Reshape'], (node) => {
  const input = node.input(0);
  if (input === undefined) return 'no input';
  const before = input.producer?.op === 'Reshape' ? input.producer.input(0) : undefined;
  for (const source of before === undefined ? [input] : [input, before]) {
    if (sameShapes(node.output.type, source.type)) return source;
    if (splitsAndJoins(node, source)) return source;
  }
  return 'the shape changes, or is not known';
});

const foldCast = fold('cast-of-constant', ['Cast'], (node) => {
  const tensor = constantTensor(node.input(0));
  const to = dtypeOfCode(node.int('to') ?? 0);
  if (tensor === undefined || to === undefined) return 'not a constant';
  const folds = [tensor.dtype, to].every((dtype) => isFloat(dtype) && isConvertible(dtype));
  return folds ? cast(tensor, to) : 'not a cast between float types that are converted here';
});

const foldTranspose = fold('transpose-of-constant', ['Transpose'], (node) => {
  const tensor = constantTensor(node.input(0));
  if (tensor === undefined) return 'not a constant';
  const perm = node.ints('perm') ?? [...tensor.shape.keys()].reverse();
  const rank = tensor.shape.length;
  const swapsLast =
    rank >= 2 && perm.every((axis, index) => axis === (index < rank - 2 ? index : 2 * rank - 3 - index));
  return swapsLast ? transpose2d(tensor) : `perm [${perm}] is not a swap of the last two axes`;
});

const foldReshape = fold('reshape-of-constant', ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'], (node) => {
  const tensor = constantTensor(node.input(0));
  const shape = staticShape(node.output.type);
  if (tensor === undefined || shape === undefined) return 'not a constant, or the shape is not known';
  return elementCount(shape) === elementCount(tensor.shape) ? reshape(tensor, shape) : 'the shapes disagree';
});

const foldShape = nodeRule<{ readonly from: Value; readonly dims: readonly number[] }>({
  name: 'shape-of-static',
  roots: ['Shape'],
  inspect: (node) => {
    const shape = staticShape(node.input(0)?.type);
    if (shape === undefined) return 'the shape is not static';
    if (node.output.isOutput) return `${node.output.name} is an output of the graph`;
    const clamp = (axis: number): number =>
      Math.min(Math.max(axis < 0 ? axis + shape.length : axis, 0), shape.length);
    return {
      from: node.output,
      dims: shape.slice(clamp(node.int('start') ?? 0), clamp(node.int('end') ?? shape.length)),
    };
  },
  rewrite: ({ from, dims }, rewriter) => rewriter.replace(from, rewriter.int64(dims)),
});

/** Pairs of Reshape and Transpose that cancel: what a fusion leaves around itself. */
export const layoutFolds: readonly Rule[] = [emptyTranspose, emptyReshape];

export const allFolds: readonly Rule[] = [
  identity,
  emptyCast,
  neutralScalar,
  ...layoutFolds,
  foldCast,
  foldTranspose,
  foldReshape,
  foldShape,
];

function isOne(value: Value): boolean {
  return constantScalar(value) === 1;
}

/** The shapes are known to be the same; dimensions that are not known are not. */
function sameShapes(a: ValueType | undefined, b: ValueType | undefined): boolean {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor' || a.shape === undefined || b.shape === undefined)
    return false;
  const other = b.shape;
  return a.shape.length === other.length && a.shape.every((dim, axis) => dim !== null && dim === other[axis]);
}

/** [.., .., D] → [0, 0, heads, D/heads] → [0, 0, D]: the first two dimensions are kept, whatever they are. */
function splitsAndJoins(node: Node, source: Value): boolean {
  const before = node.input(0)?.producer;
  const width =
    source.type?.kind === 'tensor' && source.type.shape?.length === 3 ? source.type.shape[2] : undefined;
  if (before?.op !== 'Reshape' || before.input(0) !== source || typeof width !== 'number') return false;
  const split = constantNumbers(before.input(1));
  const joined = constantNumbers(node.input(1));
  return (
    split?.length === 4 &&
    joined?.length === 3 &&
    [split[0], split[1], joined[0], joined[1]].every((dim) => dim === 0) &&
    (joined[2] === width || joined[2] === -1)
  );
}
