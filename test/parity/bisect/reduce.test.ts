import { describe, expect, it } from 'vitest';
import { reduce } from '../../../src/parity/bisect/reduce.ts';

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const holds = (needed: readonly number[]) => async (items: readonly number[]) =>
  needed.every((one) => items.includes(one));

describe('reduce', () => {
  it.each([[[17]], [[0, 63]], [[3, 4, 5, 40]], [[1, 9, 20, 33, 47, 62]]])(
    'finds the %j that are needed among 64',
    async (needed) => {
      const { items, tests } = await reduce(range(64), holds(needed), 200);
      expect(items).toEqual(needed);
      expect(tests).toBeLessThanOrEqual(200);
    },
  );

  it('finds a set from which nothing can be left out where one of several will do', async () => {
    const { items } = await reduce(
      range(50),
      async (some) => some.filter((one) => one % 7 === 3).length >= 2,
      500,
    );
    expect(items).toHaveLength(2);
    expect(items.every((one) => one % 7 === 3)).toBe(true);
  });

  it('stops after so many tests with what still shows the failure', async () => {
    const needed = range(100).filter((one) => one % 3 === 0);
    let ran = 0;
    const { items, tests } = await reduce(
      range(100),
      (some) => {
        ran += 1;
        return holds(needed)(some);
      },
      40,
    );
    expect([ran, tests]).toEqual([40, 40]);
    expect(needed.every((one) => items.includes(one))).toBe(true);
    expect(items.length).toBeLessThanOrEqual(100);
  });

  it('does the same each time', async () => {
    const trace = async (): Promise<string> => {
      const asked: string[] = [];
      await reduce(
        range(30),
        (some) => {
          asked.push(some.join());
          return holds([2, 19])(some);
        },
        200,
      );
      return asked.join(';');
    };
    expect(await trace()).toBe(await trace());
  });
});
