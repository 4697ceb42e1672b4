/** Sine-cosine positions, as a constant and as computed in a graph, against their definition and what was recorded. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gridSincos, sincosOf } from '../../../src/architectures/blocks/sincos-positions.ts';
import { int64Value, toFloat32 } from '../../../src/runtime/values.ts';
import { goldenCases } from '../../support/golden-cases.ts';
import { readIo } from '../../support/read-io.ts';
import { runGraph } from '../../support/run-graph.ts';

/** [rows · columns, size] both ways. */
async function positions(rows: number, columns: number, size: number) {
  const places = Array.from({ length: rows * columns }, (_, i) => i);
  const feeds = {
    row: int64Value(
      [1, places.length],
      places.map((i) => Math.floor(i / columns)),
    ),
    column: int64Value(
      [1, places.length],
      places.map((i) => i % columns),
    ),
  };
  const { constant, computed } = await runGraph(feeds, (b, { row, column }) => {
    if (row === undefined || column === undefined) throw new Error('no inputs');
    return { constant: gridSincos(b, { rows, columns }, size), computed: sincosOf(b, column, row, size) };
  });
  return { constant: toFloat32(constant), computed: toFloat32(computed) };
}

function furthest(found: Float32Array, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  return found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (expected[i] ?? Number.NaN))), 0);
}

describe('2-D sine-cosine positions', () => {
  // The longest side that the slicing of pictures of 16384 pixels gives; angles in float32 are off by half a unit of it.
  it.each([
    { rows: 3, columns: 5, size: 16, limit: 1e-6 },
    { rows: 1, columns: 1170, size: 8, limit: 1e-4 },
  ])('of $rows x $columns patches are those of the definition', async ({ rows, columns, size, limit }) => {
    const quarter = size / 4;
    const expected = Array.from({ length: rows * columns }, (_, i) =>
      [i % columns, Math.floor(i / columns)].flatMap((position) => {
        const angles = Array.from({ length: quarter }, (__, j) => position / 10000 ** (j / quarter));
        return [...angles.map(Math.sin), ...angles.map(Math.cos)];
      }),
    ).flat();
    const { constant, computed } = await positions(rows, columns, size);
    expect(furthest(constant, expected)).toBeLessThan(limit);
    expect(furthest(computed, expected)).toBeLessThan(limit);
    // The two forms of a model differ by the runtime's sines alone.
    expect(furthest(computed, constant)).toBeLessThan(3e-7);
  });
});

const tap = 'mid.resampler.pos_embed';
const cases = await Promise.all(
  goldenCases(['minicpm-v-2.5']).map(async ({ name, folder }) => ({
    name,
    io: await readIo(join(folder, 'io.safetensors')),
  })),
);

// Small copies of cases leave taps out.
it.each(cases.filter(({ io }) => io.has(tap)))('of views are those of $name', async ({ io }) => {
  const [rows = 0, columns = 0] = io.ints('in.tgt_sizes');
  const { constant } = await positions(rows, columns, io.get(tap).shape[2] ?? 0);
  expect(furthest(constant, io.float32(tap).subarray(0, constant.length))).toBeLessThan(1e-6);
});
