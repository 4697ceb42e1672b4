import { expect, it } from 'vitest';
import { bicubic, resizePositions } from '../../../src/architectures/blocks/resize.ts';
import { float32Value, toFloat32 } from '../../../src/runtime/values.ts';
import { inlineTensor } from '../../../src/tensor/tensor.ts';
import { noise, runGraph } from '../../support/run-graph.ts';

/** Cubic convolution kernel with a = -0.75. */
function kernel(x: number): number {
  const a = -0.75;
  const d = Math.abs(x);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/** torch's bicubic of one channel, straight from its definition, in double. */
function resample(map: Float32Array, [h, w]: [number, number], [toH, toW]: [number, number]): Float32Array {
  const clamp = (i: number, size: number) => Math.min(Math.max(i, 0), size - 1);
  const out = new Float32Array(toH * toW);
  for (let y = 0; y < toH; y += 1) {
    for (let x = 0; x < toW; x += 1) {
      const sy = ((y + 0.5) * h) / toH - 0.5;
      const sx = ((x + 0.5) * w) / toW - 0.5;
      let sum = 0;
      for (let j = Math.floor(sy) - 1; j <= Math.floor(sy) + 2; j += 1) {
        for (let i = Math.floor(sx) - 1; i <= Math.floor(sx) + 2; i += 1) {
          sum += kernel(sy - j) * kernel(sx - i) * (map[clamp(j, h) * w + clamp(i, w)] ?? 0);
        }
      }
      out[y * toW + x] = sum;
    }
  }
  return out;
}

const close = (found: Float32Array, expected: Float32Array) => {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 5);
};

it('resizes pictures of any batch as torch does, rows and columns apart', async () => {
  const data = noise(2 * 3 * 11 * 17);
  const { y } = await runGraph(
    { x: float32Value([2, 3, 11, 17], data) },
    (b, { x }) => ({ y: bicubic(b, x as never, { rows: 5, columns: 23 }) }),
    { batched: true },
  );
  expect(y.shape).toEqual([2, 3, 5, 23]);
  for (let plane = 0; plane < 6; plane += 1) {
    const from = data.subarray(plane * 187, (plane + 1) * 187);
    close(toFloat32(y).subarray(plane * 115, (plane + 1) * 115), resample(from, [11, 17], [5, 23]));
  }
});

it('resizes a table of positions to a grid that is not square', async () => {
  const size = 8;
  const data = noise(16 * size);
  const table = { name: 'table', tensor: inlineTensor('float32', [16, size], new Uint8Array(data.buffer)) };
  const { y } = await runGraph({ unused: float32Value([1], noise(1)) }, (b) => ({
    y: resizePositions(b, table, size, { rows: 4, columns: 4 }, { rows: 3, columns: 7 }),
  }));
  expect(y.shape).toEqual([21, size]);
  const found = toFloat32(y);
  for (let channel = 0; channel < size; channel += 1) {
    const map = Float32Array.from({ length: 16 }, (_, i) => data[i * size + channel] ?? 0);
    const column = Float32Array.from({ length: 21 }, (_, i) => found[i * size + channel] ?? 0);
    close(column, resample(map, [4, 4], [3, 7]));
  }
});
