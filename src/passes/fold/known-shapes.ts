/**
 * What shape arithmetic comes to: integers that are known become constants, and shapes that operators compute at run
 * time become constants where symbolic inference proves them (0 for what stays, one -1).
 */
import { dataOperators, IntEvaluator } from '../../graph/infer/data.ts';
import { divideDims, productOf, sameDim } from '../../graph/infer/dims.ts';
import type { Node } from '../../graph/node.ts';
import { type Dim, tensorType } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { constantNumbers, constantTensor } from '../../rewrite/constants.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import type { DType } from '../../tensor/dtype.ts';
import { inlineTensor, type Tensor } from '../../tensor/tensor.ts';
import { reshapeTo } from '../folds.ts';
import { bypass, replaceByConstant } from './rule-forms.ts';

/** Folds that ask which integers values hold. The evaluator may be older than the graph: numbers do not change. */
export function knownShapes(integers: IntEvaluator): readonly Rule[] {
  return [
    knownIntegers(integers),
    sameIntegers(integers),
    reshapeToKnown,
    expandToKnown,
    sliceToKnown(integers),
  ];
}

function knownIntegers(integers: IntEvaluator): Rule {
  return nodeRule<{ from: Value; tensor: Tensor }>({
    name: 'known-integers',
    roots: dataOperators,
    inspect: (node) => {
      const from = node.output;
      if (from.isOutput) return `${from.name} is an output of the graph`;
      if (from.type?.kind !== 'tensor') return 'the type is not known';
      const data = integers.of(from);
      if (data === undefined || from.type.shape?.length !== data.rank) return 'the numbers are not known';
      const tensor = integerTensor(from.type.dtype, data.rank, data.values);
      return tensor === undefined ? 'the numbers are not known' : { from, tensor };
    },
    rewrite: ({ from, tensor }, rewriter) => replaceByConstant(from, tensor, rewriter),
  });
}

/** Where and its kin that give one of their inputs whatever the sizes are (`Where(shape == -1, 1, shape)`). */
function sameIntegers(integers: IntEvaluator): Rule {
  return bypass('known-choice', ['Where', 'Max', 'Min'], (node) => {
    const data = integers.of(node.output);
    if (data?.values.every((value) => value !== null) !== true) return 'the sizes are not known';
    for (const input of node.inputs.slice(node.op === 'Where' ? 1 : 0)) {
      const other = input === null ? undefined : integers.of(input);
      if (input === null || other?.rank !== data.rank || other.values.length !== data.values.length) continue;
      if (other.values.every((value, index) => value === data.values[index])) return input;
    }
    return 'no input is the result';
  });
}

/** A Reshape whose shape is computed. */
const reshapeToKnown = nodeRule<{ from: Value; input: Value; shape: readonly number[] }>({
  name: 'reshape-to-known',
  roots: ['Reshape'],
  inspect: (node) => {
    const [input, target] = [node.input(0), node.input(1)];
    if (input === undefined || target === undefined) return 'an input is left out';
    if (constantTensor(target) !== undefined) {
      // An attribute that only speaks of zeros makes equal nodes differ.
      const numbers = node.int('allowzero') === 1 ? constantNumbers(target) : undefined;
      if (numbers === undefined || numbers.includes(0)) return 'the shape is a constant';
      return { from: node.output, input, shape: numbers };
    }
    const shape = reshapeTo(dimsOf(input), dimsOf(node.output)) ?? reshapeToOwn(node, input, target);
    return shape === undefined ? 'the shape is not known' : { from: node.output, input, shape };
  },
  rewrite: ({ from, input, shape }, rewriter) =>
    rewriter.replace(from, rewriter.op('Reshape', [input, rewriter.int64(shape)])),
});

/**
 * The constant for a shape that is made of the input's own sizes, which may be unknown: 0 for each that stays in its
 * place. [?, ?, 4, 2] to Concat(Shape(input)[0:2], [-1]) is [0, 0, 8].
 */
function reshapeToOwn(node: Node, input: Value, target: Value): readonly number[] | undefined {
  const dims = dimsOf(input);
  if (dims === undefined || input.type?.kind !== 'tensor' || node.int('allowzero') === 1) return undefined;
  // Sizes have no other names here, so that no symbol of the graph is taken for one.
  const type = tensorType(
    input.type.dtype,
    dims.map((dim, axis) => (typeof dim === 'number' ? dim : axisName(axis))),
  );
  const own = new IntEvaluator({ typeOf: (value) => (value === input ? type : undefined) });
  const shape = own.of(target)?.values.map((size, axis) => (size === axisName(axis) ? 0 : size));
  if (!shape?.every((size) => typeof size === 'number')) return undefined;
  const rest = shape.indexOf(-1);
  if (rest < 0) return shape;
  if (shape.includes(-1, rest + 1)) return undefined;
  // Sizes that stay cancel; where the others are numbers so is the rest.
  const [before, after] = [
    dims.filter((_, axis) => shape[axis] !== 0),
    shape.filter((size) => size !== 0 && size !== -1),
  ];
  const size = divideDims(productOf(before), productOf(after));
  return typeof size === 'number' ? shape.with(rest, size) : shape;
}

const axisName = (axis: number): string => `axis${axis}`;

/** An Expand whose shape is computed: 1 for what stays. */
const expandToKnown = nodeRule<{ from: Value; input: Value; shape: readonly number[] }>({
  name: 'expand-to-known',
  roots: ['Expand'],
  inspect: (node) => {
    const [input, target] = [node.input(0), node.input(1)];
    if (input === undefined || target === undefined) return 'an input is left out';
    if (constantTensor(target) !== undefined) return 'the shape is a constant';
    const [before, after] = [dimsOf(input), dimsOf(node.output)];
    if (before === undefined || after === undefined) return 'the shape is not known';
    const shape = after.map((dim, axis): Dim => {
      if (typeof dim === 'number') return dim;
      return sameDim(dim, before[axis - after.length + before.length] ?? null) === true ? 1 : null;
    });
    if (!shape.every((dim) => typeof dim === 'number')) return 'the shape hangs on other values';
    return { from: node.output, input, shape };
  },
  rewrite: ({ from, input, shape }, rewriter) =>
    rewriter.replace(from, rewriter.op('Expand', [input, rewriter.int64(shape)])),
});

/** A Slice that ends where its input does, however long that is. */
function sliceToKnown(integers: IntEvaluator): Rule {
  return nodeRule<{ from: Value; inputs: readonly (Value | null)[]; ends: readonly number[] }>({
    name: 'slice-to-the-end',
    roots: ['Slice'],
    inspect: (node) => {
      const [input, end] = [node.input(0), node.input(2)];
      const shape = dimsOf(input);
      if (shape === undefined || end === undefined) return 'the shape is not known';
      if (constantTensor(end) !== undefined) return 'the end is a constant';
      const [ends, axes] = [integers.of(end)?.values, node.input(3)];
      const given = axes === undefined ? ends?.map((_, index) => index) : integers.of(axes)?.values;
      if (ends === undefined || given?.length !== ends.length) return 'the end is not known';
      const steps = node.input(4);
      if (steps !== undefined && integers.of(steps)?.values.every((step) => step === 1) !== true)
        return 'steps that are not 1';
      const known = ends.map((value, index): Dim => {
        if (typeof value === 'number') return value;
        const axis = given[index];
        const dim = typeof axis === 'number' ? shape.at(axis) : undefined;
        return value !== null && sameDim(value, dim ?? null) === true ? endOfAxis : null;
      });
      if (!known.every((value) => typeof value === 'number')) return 'the end is not known';
      return { from: node.output, inputs: node.inputs, ends: known };
    },
    rewrite: ({ from, inputs, ends }, rewriter) =>
      rewriter.replace(from, rewriter.op('Slice', inputs.with(2, rewriter.int64(ends)))),
  });
}

/** As `end` of a Slice: beyond every axis. */
const endOfAxis = 2 ** 31 - 1;

function integerTensor(dtype: DType, rank: 0 | 1, values: readonly Dim[]): Tensor | undefined {
  const numbers = values.filter(
    (value) => typeof value === 'number' && Math.abs(value) < Number.MAX_SAFE_INTEGER,
  );
  const write = writers[dtype];
  if (write === undefined || numbers.length < values.length) return undefined;
  return inlineTensor(dtype, rank === 0 ? [] : [values.length], new Uint8Array(write(numbers as number[])));
}

const writers: Readonly<Partial<Record<DType, (values: readonly number[]) => ArrayBuffer>>> = {
  int64: (values) => BigInt64Array.from(values, BigInt).buffer,
  int32: (values) => Int32Array.from(values).buffer,
  bool: (values) => Uint8Array.from(values).buffer,
};
