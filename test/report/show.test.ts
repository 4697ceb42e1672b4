import { expect, it } from 'vitest';
import { list, quote, show } from '../../src/report/show.ts';

it('lets no control character or text direction through', () => {
  expect(quote('a\u001b[2J\u009b1m\u202eb"')).toBe('"a\\u001b[2J\\u009b1m\\u202eb\\""');
});

it('cuts what is long', () => {
  expect(quote('x'.repeat(1000))).toHaveLength(103);
  expect(show(Array.from({ length: 1000 }, (_, i) => i))).toBe('[0, 1, 2, 3, 4, 5, 6, 7, … 1000 in all]');
  expect(list(Array.from({ length: 10 }, (_, i) => `n${i}`))).toMatch(/"n7" and 2 more$/);
});

it('names values of every kind', () => {
  expect([undefined, null, true, 3, 'a', [1, [2]], {}, { a: 1 }].map(show)).toEqual([
    'nothing',
    'null',
    'true',
    '3',
    '"a"',
    '[1, […]]',
    'an object of 0 keys',
    'an object of 1 key',
  ]);
});
