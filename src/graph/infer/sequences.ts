/** Type rules of sequences of tensors. What is known of an element holds of every element. */
import { type Dim, tensorType, type ValueType } from '../types.ts';
import { type Rule, type RuleContext, typed } from './context.ts';
import { sameDim } from './dims.ts';

const sequenceOf = (element: ValueType | undefined): ValueType | undefined =>
  element && { kind: 'sequence', element };

function elementOf(cx: RuleContext): ValueType | undefined {
  const type = cx.type(0);
  return type?.kind === 'sequence' ? type.element : undefined;
}

/** Without sizes: slices of 1, whose axis goes unless `keepdims`. */
const splitToSequence: Rule = (cx) => {
  const shape = cx.shape(0);
  if (shape === undefined) return [sequenceOf(typed(cx.dtype(0), undefined))];
  const axis = cx.axis(cx.node.int('axis') ?? 0, shape.length);
  if (!cx.has(1)) {
    const kept = (cx.node.int('keepdims') ?? 1) === 1;
    return [sequenceOf(typed(cx.dtype(0), kept ? shape.with(axis, 1) : shape.toSpliced(axis, 1)))];
  }
  const sizes = cx.ints(1);
  const [first = null] = sizes ?? [];
  // One number is the size of each but the last, which may be smaller.
  const one = cx.shape(1)?.length === 0;
  const dim = shape[axis] ?? null;
  const same = one
    ? typeof dim === 'number' && typeof first === 'number' && dim % first === 0
    : sizes?.every((size) => sameDim(size, first) === true) === true;
  return [sequenceOf(typed(cx.dtype(0), shape.with(axis, same ? first : null)))];
};

/** What holds of every input. */
const construct: Rule = (cx) => {
  const shapes = cx.shapes();
  const [first] = shapes ?? [];
  const ranks = shapes?.every(({ length }) => length === first?.length) === true;
  const shape = first?.map(
    (dim, axis): Dim => (shapes?.every((other) => sameDim(other[axis] ?? null, dim) === true) ? dim : null),
  );
  return [sequenceOf(typed(cx.dtype(0), ranks ? shape : undefined))];
};

/** The same shapes may come in, or others. */
const insert: Rule = (cx) => {
  const element = elementOf(cx);
  return [element?.kind === 'tensor' ? sequenceOf(tensorType(element.dtype)) : cx.type(0)];
};

const concatFromSequence: Rule = (cx) => {
  const element = elementOf(cx);
  if (element?.kind !== 'tensor') return [undefined];
  const { shape } = element;
  if (shape === undefined) return [tensorType(element.dtype)];
  const stacks = cx.node.int('new_axis') === 1;
  const rank = shape.length + (stacks ? 1 : 0);
  const axis = cx.axis(cx.node.int('axis') ?? 0, rank);
  return [tensorType(element.dtype, stacks ? shape.toSpliced(axis, 0, null) : shape.with(axis, null))];
};

export const sequenceRules: readonly (readonly [string, Rule])[] = [
  ['SplitToSequence', splitToSequence],
  ['SequenceConstruct', construct],
  ['SequenceAt', (cx) => [elementOf(cx)]],
  ['SequenceInsert', insert],
  ['SequenceErase', (cx) => [cx.type(0)]],
  ['SequenceLength', () => [tensorType('int64', [])]],
  ['ConcatFromSequence', concatFromSequence],
];
