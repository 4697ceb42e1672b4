/** Nodes that change no number: neutral operands, casts that lose nothing, pairs that cancel, constant conditions. */
import { staticShape } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { constantNumbers } from '../../rewrite/constants.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { bitsOf, codeOfDType, type DType, dtypeOfCode, isFloat } from '../../tensor/dtype.ts';
import { bypass, canStandFor, sameShapes, sameTypes } from './rule-forms.ts';

const identity = bypass('identity', ['Identity'], (node) => node.input(0) ?? 'no input');

/** Outside training, and where nobody asks which elements would have been dropped. */
const dropout = bypass('dropout', ['Dropout'], (node) => {
  const mask = node.outputs[1];
  if (mask !== undefined && mask !== null && (mask.uses.size > 0 || mask.isOutput)) return 'its mask is read';
  const training = node.input(2);
  if (training !== undefined && !allEqual(training, 0)) return 'it may be training';
  return node.input(0) ?? 'no input';
});

/** An operand that all elements of the other are left alone by. `sides`: where it may stand. */
function neutral(name: string, roots: readonly string[], number: number, sides: readonly (0 | 1)[]): Rule {
  return bypass(name, roots, (node) => {
    for (const side of sides) {
      const [operand, other] = [node.input(side), node.input(1 - side)];
      if (operand === undefined || other === undefined) return 'an input is left out';
      if (allEqual(operand, number) && sameTypes(node.output.type, other.type)) return other;
    }
    return `no operand of ${number}, or it gives another shape`;
  });
}

/** x op (x op y) is y; x op x of one operand is x. */
const twice = bypass('twice', ['Not', 'Neg'], (node) => {
  const inner = node.input(0)?.producer;
  return (inner?.op === node.op ? inner.input(0) : undefined) ?? 'not twice';
});

/** And with true, Or with false. */
const neutralTruth = bypass('and-true', ['And', 'Or'], (node) => {
  for (const side of [0, 1]) {
    const [operand, other] = [node.input(side), node.input(1 - side)];
    if (operand === undefined || other === undefined) return 'an input is left out';
    if (allEqual(operand, node.op === 'And' ? 1 : 0) && sameTypes(node.output.type, other.type)) return other;
    if (operand === other) return other;
  }
  return 'no operand that leaves the other alone';
});

const constantCondition = bypass('where-constant', ['Where'], (node) => {
  const condition = node.input(0);
  if (condition === undefined) return 'no condition';
  const branch = allEqual(condition, 1) ? node.input(1) : allEqual(condition, 0) ? node.input(2) : undefined;
  if (branch === undefined) return 'the condition is not the same constant everywhere';
  return sameTypes(node.output.type, branch.type) ? branch : 'the result has another shape';
});

const concatOfOne = bypass('concat-of-one', ['Concat'], (node) =>
  node.inputs.length === 1 ? (node.input(0) ?? 'no input') : 'several inputs',
);

/** Nothing of an axis that others have something of. */
const emptyPart = nodeRule<{ from: Value; rest: readonly (Value | null)[]; axis: number }>({
  name: 'concat-of-nothing',
  roots: ['Concat'],
  inspect: (node) => {
    const axis = node.int('axis') ?? 0;
    const rest = node.inputs.filter((input) => {
      const shape = dimsOf(input);
      return shape?.at(axis) !== 0;
    });
    if (rest.length === node.inputs.length || rest.length === 0) return 'every input has something';
    return { from: node.output, rest, axis };
  },
  rewrite: ({ from, rest, axis }, rewriter) =>
    rewriter.replace(from, rewriter.op('Concat', rest, { attributes: { axis } })),
});

/** All parts of a Split in their order, on the same axis. */
const splitAndConcat = bypass('split-and-concat', ['Concat'], (node) => {
  const split = node.input(0)?.producer;
  const source = split?.input(0);
  if (split?.op !== 'Split' || source === undefined) return 'no Split before it';
  const rank = source.type?.kind === 'tensor' ? source.type.shape?.length : undefined;
  if (rank === undefined) return 'the rank is not known';
  const at = (axis: number) => (axis < 0 ? axis + rank : axis);
  const whole =
    at(split.int('axis') ?? 0) === at(node.int('axis') ?? 0) &&
    split.outputs.length === node.inputs.length &&
    split.outputs.every((output, index) => output !== null && output === node.inputs[index]);
  return whole ? source : 'not the parts of one Split in order';
});

/** Slice and Expand that keep every dimension, Tile and Pad by nothing. */
const wholeSlice = bypass('slice-of-all', ['Slice'], (node) => {
  const steps = node.input(4);
  if (steps !== undefined && !allEqual(steps, 1)) return 'steps that are not 1';
  return sameShapes(node.output.type, node.input(0)?.type) ? (node.input(0) ?? 'no input') : 'a part only';
});

const emptyExpand = bypass('expand-to-same', ['Expand', 'Tile'], (node) => {
  const input = node.input(0);
  if (input === undefined || !sameShapes(node.output.type, input.type)) return 'the shape changes';
  // Nothing repeated is nothing.
  return node.op === 'Expand' || allEqual(node.input(1), 1) ? input : 'it may repeat what is empty';
});

const emptyPad = bypass('pad-by-nothing', ['Pad'], (node) =>
  allEqual(node.input(1), 0) ? (node.input(0) ?? 'no input') : 'pads that are not 0',
);

/** To the size that it has; how places between samples are found does not matter then. */
const emptyResize = bypass('resize-to-same', ['Resize'], (node) => {
  const mode = node.string('coordinate_transformation_mode') ?? 'half_pixel';
  if (!['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'].includes(mode))
    return `${mode} moves samples`;
  const input = node.input(0);
  const shape = staticShape(input?.type);
  if (input === undefined || shape === undefined) return 'the shape is not known';
  return sameShapes(node.output.type, input.type) ? input : 'the size changes';
});

const emptyCast = bypass('cast-to-same', ['Cast'], (node) => {
  const input = node.input(0);
  if (input?.type?.kind !== 'tensor' || input.type.dtype !== dtypeOfCode(node.int('to') ?? 0)) {
    return 'the type changes, or is not known';
  }
  return input;
});

/** A cast behind one that loses nothing. */
const castChain = nodeRule<{ from: Value; source: Value; to: DType; empty: boolean }>({
  name: 'cast-chain',
  roots: ['Cast'],
  inspect: (node) => {
    const inner = node.input(0)?.producer;
    const source = inner?.op === 'Cast' ? inner.input(0) : undefined;
    if (source?.type?.kind !== 'tensor') return 'no Cast before it';
    const between = dtypeOfCode(inner?.int('to') ?? 0);
    const to = dtypeOfCode(node.int('to') ?? 0);
    if (to === undefined || between === undefined || !widens(source.type.dtype, between))
      return 'the first one rounds';
    const empty = source.type.dtype === to && canStandFor(source, node.output);
    return { from: node.output, source, to, empty };
  },
  rewrite: ({ from, source, to, empty }, rewriter) =>
    rewriter.replace(
      from,
      empty ? source : rewriter.op('Cast', [source], { attributes: { to: codeOfDType(to) } }),
    ),
});

/** CastLike is a Cast where the type of its second input is known. */
const castLike = nodeRule<{ from: Value; source: Value; to: DType }>({
  name: 'cast-like',
  roots: ['CastLike'],
  inspect: (node) => {
    const [source, like] = [node.input(0), node.input(1)?.type];
    if (source === undefined || like?.kind !== 'tensor') return 'the type is not known';
    return { from: node.output, source, to: like.dtype };
  },
  rewrite: ({ from, source, to }, rewriter) =>
    rewriter.replace(from, rewriter.op('Cast', [source], { attributes: { to: codeOfDType(to) } })),
});

export const identities: readonly Rule[] = [
  identity,
  dropout,
  neutral('times-one', ['Mul'], 1, [1, 0]),
  neutral('by-one', ['Div', 'Pow'], 1, [1]),
  neutral('plus-zero', ['Add'], 0, [1, 0]),
  neutral('minus-zero', ['Sub'], 0, [1]),
  twice,
  neutralTruth,
  constantCondition,
  concatOfOne,
  emptyPart,
  splitAndConcat,
  wholeSlice,
  emptyExpand,
  emptyPad,
  emptyResize,
  emptyCast,
  castChain,
  castLike,
];

/** Every element of a small constant is this number. */
function allEqual(value: Value | undefined, number: number): boolean {
  const numbers = constantNumbers(value);
  return numbers !== undefined && numbers.length > 0 && numbers.every((each) => each === number);
}

/** Bits of the significand, the leading one among them. */
const significand: Readonly<Partial<Record<DType, number>>> = {
  float64: 53,
  float32: 24,
  float16: 11,
  bfloat16: 8,
};

/** Every number of one type is one of the other. */
function widens(from: DType, to: DType): boolean {
  if (from === to) return true;
  if (to === 'bool' || from === 'string' || to === 'string') return false;
  if (from === 'bool') return isFloat(to) || to.includes('int');
  const [digits, room] = [significand[from], significand[to]];
  // bfloat16 reaches further than float16, which is finer: neither holds the other.
  if (digits !== undefined) return room !== undefined && room > digits && bitsOf(to) > bitsOf(from);
  if (!/^u?int(8|16|32|64)$/.test(from)) return false;
  const signed = !from.startsWith('u');
  const needed = bitsOf(from) - (signed ? 1 : 0);
  if (room !== undefined) return to !== 'float16' && to !== 'bfloat16' && room >= needed;
  if (!/^u?int(8|16|32|64)$/.test(to)) return false;
  if (to.startsWith('u')) return !signed && bitsOf(to) >= needed;
  return bitsOf(to) - 1 >= needed;
}
