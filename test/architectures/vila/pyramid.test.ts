/** A square picture at several scales, against sums done by hand over torch's bicubic weights (test/kernels holds those). */
import { describe, expect, it } from 'vitest';
import { pyramidFeatures } from '../../../src/architectures/vila/pyramid.ts';
import { bicubicWeights } from '../../../src/kernels/bicubic.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { runGraph } from '../../support/run-graph.ts';
import { floats } from '../../support/write-adapter.ts';

const largest = 12;
const { data } = floats([2 * 3 * largest * largest], 5);

/** One channel of one picture, [size, size], brought to `to`. */
function resized(picture: number, channel: number, to: number): number[][] {
  const first = (picture * 3 + channel) * largest * largest;
  const at = (y: number, x: number): number => data[first + y * largest + x] ?? 0;
  const weights = bicubicWeights(largest, to);
  const weight = (row: number, from: number): number => weights[row * largest + from] ?? 0;
  const range = Array.from({ length: largest }, (_, index) => index);
  return Array.from({ length: to }, (_, row) =>
    Array.from({ length: to }, (__, column) =>
      range.reduce(
        (sum, y) => sum + range.reduce((line, x) => line + weight(row, y) * weight(column, x) * at(y, x), 0),
        0,
      ),
    ),
  );
}

/** Means of blocks. */
function pooled(map: readonly (readonly number[])[], block: number): number[][] {
  const side = map.length / block;
  return Array.from({ length: side }, (_, row) =>
    Array.from({ length: side }, (__, column) => {
      const lines = map.slice(row * block, (row + 1) * block);
      const cells = lines.flatMap((line) => line.slice(column * block, (column + 1) * block));
      return cells.reduce((sum, value) => sum + value, 0) / cells.length;
    }),
  );
}

/** Twice each cell, each way. */
function spread(map: readonly (readonly number[])[], block: number): number[][] {
  const side = map.length * block;
  return Array.from({ length: side }, (_, row) =>
    Array.from(
      { length: side },
      (__, column) => map[Math.floor(row / block)]?.[Math.floor(column / block)] ?? Number.NaN,
    ),
  );
}

describe.each([
  { output: 0, maps: (at: (size: number) => number[][]) => [at(4), pooled(at(12), 3)] },
  { output: 1, maps: (at: (size: number) => number[][]) => [spread(at(4), 3), at(12)] },
])('brought to scale $output', ({ output, maps }) => {
  it('joins what the tower gives of one tile and of nine', async () => {
    const pixels = float32Value([2, 3, largest, largest], data);
    const pyramid = { sizes: [4, 12], splits: [1, 3], tile: 4, output };
    const { y } = await runGraph({ pixels }, (b, inputs) => {
      if (inputs.pixels === undefined) throw new Error('no pixels');
      const shape = { patches: { rows: 2, columns: 2 }, width: 3 };
      // A tower whose patches are the means of 2x2 pixels.
      const tower = (tiles: typeof inputs.pixels) => {
        const means = b.op('AveragePool', [tiles], { attributes: { kernel_shape: [2, 2], strides: [2, 2] } });
        const rows = b.op('Reshape', [means, b.int64([0, 3, 4])]);
        return b.op('Transpose', [rows], { attributes: { perm: [0, 2, 1] } });
      };
      return { y: pyramidFeatures(b, inputs.pixels, pyramid, shape, tower) };
    });
    const wanted = [0, 1].flatMap((picture) => {
      // Per scale and channel, a map of patches.
      const channels = [0, 1, 2].map((channel) => maps((size) => pooled(resized(picture, channel, size), 2)));
      const side = channels[0]?.[0]?.length ?? 0;
      return Array.from({ length: side * side }, (_, cell) =>
        [0, 1].flatMap((scale) =>
          channels.map((own) => own[scale]?.[Math.floor(cell / side)]?.[cell % side] ?? Number.NaN),
        ),
      ).flat();
    });
    const found = toFloat32(y);
    expect(found.length).toBe(wanted.length);
    expect(Math.max(...wanted.map((value, at) => Math.abs(value - (found[at] ?? 9))))).toBeLessThan(1e-6);
  });
});
