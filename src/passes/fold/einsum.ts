/**
 * Einsum of two operands as Transpose, Reshape and MatMul, the spelling that every pattern knows. Letters of both
 * operands and the result are batches; those of both alone are summed over; the others are rows and columns. Handled
 * are one letter each of rows, columns and sums over any batches, and any number of them without batches.
 */
import type { Dim } from '../../graph/types.ts';
import { dimsOf, type Value } from '../../graph/value.ts';
import type { Rewriter } from '../../rewrite/rewriter.ts';
import { nodeRule, type Rule } from '../../rewrite/rule.ts';

type Letters = readonly string[];

interface Product {
  readonly from: Value;
  readonly left: Value;
  readonly right: Value;
  readonly leftLetters: Letters;
  readonly rightLetters: Letters;
  readonly output: Letters;
  readonly batch: Letters;
  readonly sums: Letters;
  readonly rows: Letters;
  readonly columns: Letters;
  /** Of letters of the right side; every one of sums and columns where those are several. */
  readonly sizes: ReadonlyMap<string, Dim>;
}

const product = nodeRule<Product>({
  name: 'einsum-to-matmul',
  roots: ['Einsum'],
  inspect: (node) => {
    const [left, right] = [node.input(0), node.input(1)];
    const equation = node.string('equation')?.replaceAll(' ', '') ?? '';
    const [operands = '', result] = equation.split('->');
    const [first, second] = operands.split(',').map((letters) => [...letters]);
    if (left === undefined || right === undefined || node.inputs.length !== 2) return 'not of two operands';
    if (first === undefined || second === undefined || result === undefined || equation.includes('...'))
      return `${equation} says not what it gives`;
    const output = [...result];
    if ([first, second, output].some((letters) => new Set(letters).size < letters.length))
      return 'a letter stands twice in one operand';
    const [shape, other] = [dimsOf(left), dimsOf(right)];
    if (shape?.length !== first.length || other?.length !== second.length) return 'the shapes are not known';
    if (left.type?.kind !== 'tensor' || !/^b?float/.test(left.type.dtype)) return 'not of a float type';
    const both = first.filter((letter) => second.includes(letter));
    const groups = {
      batch: output.filter((letter) => both.includes(letter)),
      sums: both.filter((letter) => !output.includes(letter)),
      rows: first.filter((letter) => !second.includes(letter)),
      columns: second.filter((letter) => !first.includes(letter)),
    };
    const { batch, sums, rows, columns } = groups;
    const free = [...rows, ...columns];
    if (free.some((letter) => !output.includes(letter))) return 'a letter of one operand is summed over';
    const single = [sums, rows, columns].every(({ length }) => length === 1);
    if (!single && (batch.length > 0 || sums.length === 0 || rows.length === 0 || columns.length === 0))
      return 'rows, columns or sums of several letters beside batches';
    const sizes = new Map(second.map((letter, axis): [string, Dim] => [letter, other[axis] ?? null]));
    // Einsum repeats what is 1, which a product does only for batches.
    for (const [axis, letter] of first.entries()) {
      const [size, opposite] = [shape[axis] ?? null, sizes.get(letter)];
      if (sums.includes(letter) && (size === null || size !== opposite)) return `${letter} may be repeated`;
    }
    const whole = single || [...sums, ...columns].every((letter) => typeof sizes.get(letter) === 'number');
    if (!whole) return 'sizes that are joined are not known';
    return {
      ...{ from: node.output, left, right, leftLetters: first, rightLetters: second, output, sizes },
      ...groups,
    };
  },
  rewrite: (found, rewriter) => {
    const { from, batch, sums, rows, columns, output } = found;
    let left = ordered(rewriter, found.left, found.leftLetters, [...batch, ...rows, ...sums]);
    let right = ordered(rewriter, found.right, found.rightLetters, [...batch, ...sums, ...columns]);
    const count = (letters: Letters): number =>
      letters.reduce((total, letter) => total * Number(found.sizes.get(letter)), 1);
    // Rows keep their axes: a product takes any number of them. 0 is a dimension that stays.
    const kept = rows.map(() => 0);
    if (sums.length > 1) left = reshaped(rewriter, left, [...kept, count(sums)]);
    if (sums.length > 1 || columns.length > 1)
      right = reshaped(rewriter, right, [count(sums), count(columns)]);
    let result = rewriter.op('MatMul', [left, right]);
    if (columns.length > 1)
      result = reshaped(rewriter, result, [
        ...kept,
        ...columns.map((letter) => Number(found.sizes.get(letter))),
      ]);
    rewriter.replace(from, ordered(rewriter, result, [...batch, ...rows, ...columns], output));
  },
});

export const einsumFolds: readonly Rule[] = [product];

function reshaped(rewriter: Rewriter, value: Value, shape: readonly number[]): Value {
  return rewriter.op('Reshape', [value, rewriter.int64(shape)]);
}

/** The value with its axes in another order. */
function ordered(rewriter: Rewriter, value: Value, have: Letters, want: Letters): Value {
  const perm = want.map((letter) => have.indexOf(letter));
  return perm.every((axis, index) => axis === index)
    ? value
    : rewriter.op('Transpose', [value], { attributes: { perm } });
}
