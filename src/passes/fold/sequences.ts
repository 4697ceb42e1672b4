/** Sequences that are taken apart where they are put together: Split and Concat, or the values themselves. */
import { staticShape } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import { constantNumbers, constantScalar } from '../../rewrite/constants.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';
import { bypass } from './rule-forms.ts';

/** More parts than this are a loop that was unrolled, which stays as it is. */
const mostParts = 256;

interface Parts {
  readonly source: Value;
  readonly axis: number;
  readonly sizes: readonly number[];
  /** The parts lose the axis. */
  readonly squeezed: boolean;
  readonly readers: readonly (readonly [Value, number])[];
}

/** SplitToSequence of which single elements are read. */
const split = nodeRule<Parts>({
  name: 'split-sequence',
  roots: ['SplitToSequence'],
  inspect: (node) => {
    const source = node.input(0);
    const shape = dimsOf(source);
    if (source === undefined || shape === undefined) return 'the shape is not known';
    const axis = node.int('axis') ?? 0;
    const sizes = sizesOf(shape.at(axis) ?? null, node.input(1));
    if (sizes === undefined || sizes.length > mostParts) return 'the parts are not known, or too many';
    if (node.output.isOutput) return 'the sequence is an output of the graph';
    const readers: [Value, number][] = [];
    for (const reader of node.output.consumers()) {
      const at = reader.op === 'SequenceAt' ? constantScalar(reader.input(1)) : undefined;
      const index = at !== undefined && at < 0 ? at + sizes.length : at;
      if (index === undefined || sizes[index] === undefined || reader.graph !== node.graph)
        return `${reader.name} reads more than one known element`;
      readers.push([reader.output, index]);
    }
    const squeezed = node.input(1) === undefined && (node.int('keepdims') ?? 1) === 0;
    return { source, axis, sizes, squeezed, readers };
  },
  rewrite: ({ source, axis, sizes, squeezed, readers }, rewriter) => {
    const parts = rewriter.node(
      'Split',
      [source, rewriter.int64(sizes)],
      sizes.map(() => ({})),
      { attributes: { axis } },
    ).outputs;
    for (const [value, index] of readers) {
      const part = parts[index];
      if (part === undefined || part === null) throw new RangeError(`no part ${index}`);
      rewriter.replace(value, squeezed ? rewriter.op('Squeeze', [part, rewriter.int64([axis])]) : part);
    }
  },
});

/** SequenceAt of a sequence of values. */
const element = bypass('element-of-sequence', ['SequenceAt'], (node) => {
  const made = node.input(0)?.producer;
  const index = constantScalar(node.input(1));
  if (made?.op !== 'SequenceConstruct' || index === undefined) return 'no known element of known values';
  return made.inputs.at(index) ?? 'no such element';
});

const joined = nodeRule<{ from: Value; parts: readonly Value[]; axis: number; stacks: boolean }>({
  name: 'concat-of-sequence',
  roots: ['ConcatFromSequence'],
  inspect: (node) => {
    const made = node.input(0)?.producer;
    if (made?.op !== 'SequenceConstruct') return 'not of known values';
    const parts = made.inputs.filter((input) => input !== null);
    if (parts.length === 0) return 'of nothing';
    return { from: node.output, parts, axis: node.int('axis') ?? 0, stacks: node.int('new_axis') === 1 };
  },
  rewrite: ({ from, parts, axis, stacks }, rewriter) => {
    const inputs = stacks
      ? parts.map((part) => rewriter.op('Unsqueeze', [part, rewriter.int64([axis])]))
      : parts;
    rewriter.replace(from, rewriter.op('Concat', inputs, { attributes: { axis } }));
  },
});

export const sequenceFolds: readonly Rule[] = [split, element, joined];

function sizesOf(dim: number | string | null, given: Value | undefined): readonly number[] | undefined {
  const numbers = given === undefined ? [1] : constantNumbers(given);
  const equal = given === undefined || staticShape(given.type)?.length === 0;
  if (numbers === undefined || numbers.some((size) => size < 0)) return undefined;
  if (!equal) return numbers;
  const [size = 0] = numbers;
  if (typeof dim !== 'number' || size < 1) return undefined;
  const count = Math.ceil(dim / size);
  return count > mostParts
    ? undefined
    : Array.from({ length: count }, (_, index) => Math.min(size, dim - index * size));
}
