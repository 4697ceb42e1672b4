/** Python's `round` and `math.log`, against values that CPython 3 printed. */
import { expect, it } from 'vitest';
import { naturalLog, roundHalfEven } from '../../src/kernels/python-math.ts';

it('rounds halves to even', () => {
  const halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 2.4999999999999996, 2.5000000000000004, 7];
  expect(halves.map(roundHalfEven).map((x) => x + 0)).toEqual([-2, -2, 0, 0, 2, 2, 4, 2, 3, 7]);
});

it('takes logarithms to the last bit', () => {
  const known: readonly (readonly [number, number])[] = [
    [1, 0],
    [2, Math.LN2],
    [3, 1.0986122886681098],
    [1 / 3, -1.0986122886681098],
    [4 / 3, 0.28768207245178085],
    [5, 1.6094379124341003],
    [7, 1.9459101490553132],
    [9, 2.1972245773362196],
    [0.3, -1.2039728043259361],
    [1920 / 1080, 0.5753641449035618],
    [1e-5, -11.512925464970229],
    [123456.789, 11.723646487185881],
    [1.0000000000000002, 2.2204460492503128e-16],
  ];
  for (const [x, log] of known) expect(naturalLog(x), String(x)).toBe(log);
});

it('refuses what has no logarithm', () => {
  for (const x of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => naturalLog(x)).toThrow(RangeError);
});
