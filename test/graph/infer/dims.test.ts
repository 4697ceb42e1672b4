import { expect, test } from 'vitest';
import {
  addDims,
  broadcastShapes,
  divideDims,
  floorDivideDims,
  isNonNegative,
  multiplyDims,
  productOf,
  sameDim,
  subtractDims,
} from '../../../src/graph/infer/dims.ts';

test('sums of symbols are canonical: the order of the operands does not matter', () => {
  expect(addDims('sequence', 'past')).toBe('past + sequence');
  expect(addDims('past', 'sequence')).toBe('past + sequence');
  expect(addDims(addDims('b', 3), addDims('a', 'b'))).toBe('a + 2*b + 3');
  expect(subtractDims(addDims('past', 'sequence'), 'past')).toBe('sequence');
  expect(subtractDims('a', 'a')).toBe(0);
  expect(subtractDims(1, 'a')).toBe('-a + 1');
  expect(addDims(subtractDims(1, 'a'), 'a')).toBe(1);
});

test('products divide by their factors and by nothing else', () => {
  expect(productOf(['batch', 'seq', 4096])).toBe('4096*batch*seq');
  expect(divideDims('4096*batch*seq', multiplyDims('seq', 128))).toBe('32*batch');
  expect(divideDims('4096*batch', 'seq')).toBe(null);
  expect(divideDims('10*a', 4)).toBe(null);
  expect(divideDims(12, 4)).toBe(3);
  expect(divideDims(12, 5)).toBe(null);
  expect(divideDims('4*a + 8', 4)).toBe('a + 2');
  expect(divideDims('a', 0)).toBe(null);
});

test('what divides stands outside of a rounded quotient', () => {
  expect(floorDivideDims('h', 14)).toBe('(floor(h/14))');
  // The patches of a convolution, and h // 14 of the code around it.
  expect(addDims(floorDivideDims(subtractDims('h', 14), 14), 1)).toBe('(floor(h/14))');
  expect(floorDivideDims(addDims(multiplyDims('h', 28), 30), 14)).toBe('2*h + 2');
  expect(floorDivideDims(addDims(multiplyDims('h', 15), -1), 14)).toBe('(floor((h + 13)/14)) + h - 1');
  expect(floorDivideDims(-1, 14)).toBe(-1);
  expect(floorDivideDims(null, 14)).toBe(null);
});

test('sums of dimensions are not negative, differences may be', () => {
  for (const dim of [0, 3, 'a', '2*a*b + 4', '(floor(h/14)) + 1']) expect(isNonNegative(dim)).toBe(true);
  for (const dim of [-1, null, 'a - 1', 'a - b', '(a/b)']) expect(isNonNegative(dim)).toBe(false);
});

test('(a + 1) * (a - 1) multiplies out', () => {
  expect(multiplyDims(addDims('a', 1), subtractDims('a', 1))).toBe('a*a - 1');
});

test('text that is no sum of products is one atom', () => {
  expect(multiplyDims('floor(h/14)', 1)).toBe('floor(h/14)');
  expect(multiplyDims('floor(h/14)', 2)).toBe('2*(floor(h/14))');
  expect(divideDims(multiplyDims('floor(h/14)', 2), 2)).toBe('(floor(h/14))');
  expect(sameDim(divideDims(multiplyDims('h//2', 4), 4), 'h//2')).toBe(true);
  expect(addDims('a)(', 'b')).toBe('(a)() + b');
});

test('equality is certain only where symbols cancel', () => {
  expect(sameDim('a', 'b')).toBe(undefined);
  expect(sameDim('batch+1', '1 + batch')).toBe(true);
  expect(sameDim('a', 'a + 1')).toBe(false);
  expect(sameDim(null, 3)).toBe(undefined);
  expect(sameDim(3, 4)).toBe(false);
});

test('broadcast of symbols', () => {
  expect(
    broadcastShapes([
      ['b', 1, 3],
      [5, 1],
    ]),
  ).toEqual(['b', 5, 3]);
  expect(broadcastShapes([['b'], ['c']])).toEqual([null]);
  expect(broadcastShapes([['b'], [7]])).toEqual([7]);
  expect(broadcastShapes([[], ['b', 2]])).toEqual(['b', 2]);
  expect(broadcastShapes([[2], [3]])).toBe(undefined);
});

test('expressions do not grow without end', () => {
  let dim = addDims('a', 'b');
  for (let step = 0; step < 40; step += 1) dim = multiplyDims(dim, addDims('c', dim));
  expect(dim).toBe(null);
  expect(addDims('x'.repeat(300), 1)).toBe(null);
  expect(multiplyDims(2 ** 40, 2 ** 40)).toBe(null);
});
