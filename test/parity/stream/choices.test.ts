/** Where a graph chooses, how choices are compared, and scores that tie. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { inferNode } from '../../../src/graph/infer/infer.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { ChoiceComparison } from '../../../src/parity/choice-metrics.ts';
import { choiceEnds, withTies } from '../../../src/parity/stream/choices.ts';
import { float32Value, int64Value } from '../../../src/runtime/values.ts';

describe('a choice', () => {
  it('begins where numbers become places, and ends where numbers are made of these', () => {
    const b = new GraphBuilder('choice', inferNode);
    const x = b.input('x', tensorType('float32', [1, 8]));
    const scores = b.op('Abs', [x], { name: 'scores' });
    const [, order] = b.ops('TopK', [scores, b.int64([3])], 2, { name: 'order' });
    if (order === undefined) throw new Error('no places');
    const one = b.op('Slice', [order, b.int64([0]), b.int64([1]), b.int64([1])], { name: 'one' });
    const row = b.op('Squeeze', [one, b.int64([0])], { name: 'row' });
    b.output('y', b.op('Gather', [x, row], { attributes: { axis: 1 }, name: 'taken' }));
    const names = [...b.graph.nodes()].map(({ name }) => name);
    expect(choiceEnds([...b.graph.nodes()]).map((at) => names[at])).toEqual(['order', 'taken']);
  });

  it('is none where only the numbers of TopK are read', () => {
    const b = new GraphBuilder('largest', inferNode);
    const x = b.input('x', tensorType('float32', [1, 8]));
    const [values] = b.ops('TopK', [x, b.int64([3])], 2);
    if (values === undefined) throw new Error('no values');
    b.output('y', b.op('Neg', [values]));
    expect(choiceEnds([...b.graph.nodes()])).toEqual([]);
  });
});

describe('choices', () => {
  const compare = (...pairs: readonly (readonly [readonly number[], readonly number[]])[]) => {
    const comparison = new ChoiceComparison();
    for (const [wanted, found] of pairs) {
      const shape = [1, wanted.length, 1];
      comparison.add('chosen', int64Value(shape, wanted), int64Value(shape, found), (row) => `row ${row}`);
    }
    return comparison.finish('chosen', 'vision', 'local').metrics;
  };

  it('agree by what they hold, and by where they hold it', () => {
    expect(
      compare([
        [1, 4, 7, 9],
        [1, 4, 7, 9],
      ]).choices,
    ).toEqual({ agreement: 1, inPlace: 1, n: 4 });
    expect(
      compare([
        [1, 4, 7, 9],
        [9, 7, 4, 1],
      ]).choices,
    ).toEqual({ agreement: 1, inPlace: 0, n: 4 });
    expect(
      compare([
        [1, 4, 7, 9],
        [0, 1, 4, 7],
      ]).choices,
    ).toEqual({ agreement: 0.75, inPlace: 0, n: 4 });
    expect(
      compare(
        [
          [1, 2],
          [1, 2],
        ],
        [
          [1, 2],
          [1, 3],
        ],
      ).choices,
    ).toEqual({ agreement: 0.75, inPlace: 0.75, n: 4 });
  });

  it('have the cosine of ones among zeros', () => {
    expect(
      compare([
        [1, 4, 7, 9],
        [0, 1, 4, 7],
      ]).cosine,
    ).toBeCloseTo(0.75, 12);
  });

  it('of other sizes are no pair', () => {
    const comparison = new ChoiceComparison();
    expect(() => comparison.add('chosen', int64Value([2], [1, 2]), int64Value([1], [1]), String)).toThrow(
      'VC6102',
    );
  });
});

describe('ties', () => {
  it('are many, and keep the order of what differs by much', () => {
    const data = Float32Array.from({ length: 100 }, (_, at) => Math.sin(at));
    const coarse = withTies(float32Value([100], data)).data as Float32Array;
    expect(new Set(coarse).size).toBeLessThan(10);
    for (let i = 1; i < 100; i += 1) {
      const [a = 0, b = 0, x = 0, y = 0] = [data[i - 1], data[i], coarse[i - 1], coarse[i]];
      expect(Math.sign(y - x) * Math.sign(b - a)).toBeGreaterThanOrEqual(0);
    }
  });

  it('are made of nothing that is not finite, or all the same', () => {
    const broken = float32Value([2], Float32Array.of(1, Number.NaN));
    expect(withTies(broken)).toBe(broken);
    expect([...(withTies(float32Value([2], Float32Array.of(3, 3))).data as Float32Array)]).toEqual([0, 0]);
  });
});
