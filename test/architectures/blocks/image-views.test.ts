import { join } from 'node:path';
import { expect, it } from 'vitest';
import { imageViews, type ViewLayout } from '../../../src/architectures/blocks/image-views.ts';
import type { Value } from '../../../src/graph/value.ts';
import { float32Value, type RunTensor, toFloat32 } from '../../../src/runtime/values.ts';
import { deviation } from '../../support/deviation.ts';
import { goldenCases } from '../../support/golden-cases.ts';
import { casePixels } from '../../support/pixel-values.ts';
import { readIo } from '../../support/read-io.ts';
import { noise, runGraph } from '../../support/run-graph.ts';

const views = async (pixels: RunTensor, layout: ViewLayout): Promise<RunTensor> => {
  const { y } = await runGraph({ x: pixels }, (b, { x }) => ({ y: imageViews(b, x as Value, layout) }), {
    batched: true,
  });
  return y;
};

/** Pixel of a window by definition: 0 beyond the picture. */
function windowPixel(data: Float32Array, layout: ViewLayout, plane: number, row: number, column: number) {
  const inside = row < layout.height && column < layout.width;
  return inside ? data[(plane * layout.height + row) * layout.width + column] : 0;
}

it.each([
  { what: 'whole tiles', width: 6, height: 4, rows: 2, columns: 3 },
  { what: 'a rest that no window sees', width: 7, height: 5, rows: 2, columns: 3 },
  { what: 'padding on the right and below', width: 5, height: 3, rows: 2, columns: 3 },
  { what: 'rest and padding at once', width: 7, height: 3, rows: 2, columns: 3 },
])('cuts windows row by row, picture by picture: $what', async (size) => {
  const tile = 2;
  const layout = { ...size, tile };
  const data = noise(2 * 3 * size.height * size.width);
  const y = await views(float32Value([2, 3, size.height, size.width], data), layout);
  const count = size.rows * size.columns + 1;
  expect(y.shape).toEqual([2 * count, 3, tile, tile]);
  const found = toFloat32(y);
  let at = 0;
  for (let image = 0; image < 2; image += 1) {
    for (let view = 0; view < count; view += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        for (let i = 0; i < tile; i += 1) {
          for (let j = 0; j < tile; j += 1, at += 1) {
            if (view === count - 1) continue;
            const row = Math.floor(view / size.columns) * tile + i;
            const column = (view % size.columns) * tile + j;
            expect(found[at]).toBe(windowPixel(data, layout, image * 3 + channel, row, column));
          }
        }
      }
    }
  }
});

it.each(goldenCases(['monkey']))('gives the global view of $name the whole picture', async (golden) => {
  const pixels = casePixels(golden);
  const [, , height = 0, width = 0] = pixels.shape;
  const [rows, columns] = [Math.floor(height / 448), Math.floor(width / 448)];
  const found = toFloat32(await views(pixels, { width, height, rows, columns, tile: 448 }));
  const global = found.subarray(rows * columns * 3 * 448 * 448);
  const sample = Float32Array.from({ length: 3 * 56 * 56 }, (_, i) => {
    const [channel, row, column] = [Math.floor(i / 3136), Math.floor(i / 56) % 56, i % 56];
    return global[(channel * 448 + row * 8) * 448 + column * 8] ?? 0;
  });
  const io = await readIo(join(golden.folder, 'io.safetensors'));
  // The runtime rounds source coordinates in float32, torch too, but not alike: at 1544 pixels that is 2.7e-4.
  expect(deviation(sample, io.float32('mid.global_pixels_sample'))).toBeLessThan(5e-4);
});
