/**
 * What the graph makes of grids: rotation and mask of every patch of several pictures and videos at once, against plain
 * loops over pictures, frames, blocks and patches.
 */
import { describe, expect, it } from 'vitest';
import { inverseFrequencies } from '../../../src/architectures/blocks/rotary.ts';
import type { Qwen2VlVisionConfig } from '../../../src/architectures/qwen2-vl/config.ts';
import { dynamicPlaces, staticPlaces } from '../../../src/architectures/qwen2-vl/patch-positions.ts';
import { tensorType } from '../../../src/graph/types.ts';
import { int64Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { buildModel, randomInput, runModel } from '../../support/run-model.ts';
import { get } from '../../support/run-recipe.ts';

const headDim = 24;

function config(merge: number): Qwen2VlVisionConfig {
  return {
    width: headDim,
    heads: 1,
    headDim,
    layers: 1,
    mlpWidth: 1,
    activation: 'gelu',
    patch: 14,
    merge,
    frames: 2,
    ropeBase: 10000,
  };
}

type Grid = readonly [frames: number, rows: number, columns: number];

interface Patch {
  readonly frame: string;
  readonly row: number;
  readonly column: number;
}

/** In the order in which a processor writes them. */
function patches(grids: readonly Grid[], merge: number): Patch[] {
  const found: Patch[] = [];
  for (const [picture, [frames, rows, columns]] of grids.entries()) {
    for (let frame = 0; frame < frames; frame += 1) {
      for (let blockRow = 0; blockRow < rows; blockRow += merge) {
        for (let blockColumn = 0; blockColumn < columns; blockColumn += merge) {
          for (let row = 0; row < merge; row += 1) {
            for (let column = 0; column < merge; column += 1) {
              found.push({
                frame: `${picture}.${frame}`,
                row: blockRow + row,
                column: blockColumn + column,
              });
            }
          }
        }
      }
    }
  }
  return found;
}

function expectRotation(values: ReadonlyMap<string, RunTensor>, wanted: readonly Patch[]): void {
  const frequencies = inverseFrequencies(10000, headDim / 2);
  const angles = wanted.flatMap(({ row, column }) =>
    [row, column].flatMap((position) => [...frequencies].map((f) => Math.fround(position * f))),
  );
  for (const [name, of] of [
    ['cos', Math.cos],
    ['sin', Math.sin],
  ] as const) {
    const found = get(values, name);
    expect(found.shape).toEqual([wanted.length, 1, headDim / 2]);
    const data = toFloat32(found);
    const worst = angles.reduce((most, angle, i) => Math.max(most, Math.abs((data[i] ?? 9) - of(angle))), 0);
    expect(worst).toBeLessThan(1e-6);
  }
}

describe('many grids', () => {
  it.each<[string, number, readonly Grid[]]>([
    ['one picture', 2, [[1, 4, 6]]],
    [
      'pictures of other shapes',
      2,
      [
        [1, 4, 6],
        [1, 8, 4],
        [1, 2, 2],
      ],
    ],
    [
      'a video between pictures',
      2,
      [
        [1, 2, 4],
        [3, 4, 6],
        [1, 6, 2],
      ],
    ],
    [
      'two videos of equal frames',
      2,
      [
        [2, 4, 4],
        [2, 4, 4],
      ],
    ],
    [
      'tokens of nine patches',
      3,
      [
        [1, 6, 9],
        [2, 3, 3],
      ],
    ],
    [
      'tokens of one patch',
      1,
      [
        [1, 3, 5],
        [2, 1, 2],
      ],
    ],
  ])('%s', async (_what, merge, grids) => {
    const wanted = patches(grids, merge);
    const model = buildModel((b) => {
      const rows = b.input('rows', tensorType('float32', ['patches', 3]));
      const grid = b.input('grid', tensorType('int64', ['pictures', 3]));
      const { rotary, mask } = dynamicPlaces(b, rows, grid, config(merge));
      b.output('cos', rotary.cos);
      b.output('sin', rotary.sin);
      if (mask !== undefined) b.output('mask', mask);
    });
    const values = await runModel(model, {
      rows: randomInput([wanted.length, 3], 1),
      grid: int64Value([grids.length, 3], grids.flat()),
    });
    expectRotation(values, wanted);
    const mask = get(values, 'mask');
    expect(mask.shape).toEqual([1, 1, wanted.length, wanted.length]);
    const seen = Array.from(toFloat32(mask), (value) => value === 0);
    const same = wanted.flatMap((a) => wanted.map((b) => a.frame === b.frame));
    expect(seen).toEqual(same);
    expect(toFloat32(mask).every((value) => value === 0 || value < -3e38)).toBe(true);
  });
});

it('is the same for one grid that is known beforehand', async () => {
  const model = buildModel((b) => {
    const { rotary, mask } = staticPlaces(b, { rows: 6, columns: 4 }, config(2));
    expect(mask).toBeUndefined();
    b.output('cos', rotary.cos);
    b.output('sin', rotary.sin);
  });
  expectRotation(await runModel(model, {}), patches([[1, 6, 4]], 2));
});
