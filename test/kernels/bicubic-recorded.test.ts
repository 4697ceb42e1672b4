/**
 * The global view of recorded cases, made by torch on whole pictures: at 1544 columns a source position that is
 * not rounded as torch rounds it is off by 1.5e-4 of a standard deviation.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bicubicWeights } from '../../src/kernels/bicubic.ts';
import { toFloat32 } from '../../src/runtime/values.ts';
import { deviation } from '../support/deviation.ts';
import { goldenCases } from '../support/golden-cases.ts';
import { casePixels } from '../support/pixel-values.ts';
import { readIo } from '../support/read-io.ts';

const side = 448;
/** The recorded sample is [:, :, ::8, ::8] of the view. */
const step = 8;

describe.each(goldenCases(['monkey']))('$name', (golden) => {
  it('has the recorded global view', async () => {
    const io = await readIo(join(golden.folder, 'io.safetensors'));
    const pixels = casePixels(golden);
    const [images = 0, channels = 0, height = 0, width = 0] = pixels.shape;
    const data = toFloat32(pixels);
    const rows = bicubicWeights(height, side);
    const columns = bicubicWeights(width, side);
    const points = side / step;
    const found = new Float32Array(images * channels * points * points);
    for (let plane = 0; plane < images * channels; plane++) {
      for (let y = 0; y < points; y++) {
        const line = new Float64Array(width);
        for (let i = 0; i < height; i++) {
          const weight = rows[y * step * height + i] ?? 0;
          if (weight === 0) continue;
          for (let j = 0; j < width; j++) {
            line[j] = (line[j] ?? 0) + weight * (data[(plane * height + i) * width + j] ?? 0);
          }
        }
        for (let x = 0; x < points; x++) {
          let sum = 0;
          for (let j = 0; j < width; j++) sum += (columns[x * step * width + j] ?? 0) * (line[j] ?? 0);
          found[(plane * points + y) * points + x] = sum;
        }
      }
    }
    expect(deviation(found, io.float32('mid.global_pixels_sample'))).toBeLessThan(1e-5);
  });
});
