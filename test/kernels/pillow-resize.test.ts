/** Against pictures that Pillow resized, recorded with the goldens. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { pillowResize } from '../../src/kernels/pillow-resize.ts';
import { goldenCases, pixelFormula } from '../support/golden-cases.ts';

function readRgb(path: string) {
  const { width, height, data } = PNG.sync.read(readFileSync(path));
  return { width, height, rgb: Uint8Array.from(data.filter((_, at) => at % 4 !== 3)) };
}

const pairs = goldenCases(['qwen-vl', 'monkey', 'textmonkey']).flatMap((golden) =>
  pixelFormula(golden).stored_as.map((resized) => ({
    name: `${golden.name}/${resized}`,
    from: join(golden.folder, resized.replace('.resized', '')),
    to: join(golden.folder, resized),
  })),
);

/** The row 0 50 200 255 100 through Pillow 13.0. */
const rows: Readonly<Record<string, readonly number[]>> = {
  'bilinear 3': [21, 179, 166],
  'bilinear 8': [0, 22, 59, 153, 217, 252, 168, 100],
  'bicubic 3': [14, 188, 171],
  'bicubic 8': [0, 12, 57, 157, 231, 255, 164, 89],
  'lanczos 3': [7, 194, 174],
  'lanczos 8': [0, 6, 58, 153, 244, 255, 161, 82],
};

describe('pillowResize', () => {
  it.each(pairs)('gives $name bit for bit', ({ from, to }) => {
    const wanted = readRgb(to);
    const { rgb, ...size } = readRgb(from);
    const found = pillowResize(rgb, size, wanted, 'bicubic');
    expect(Buffer.compare(found, wanted.rgb)).toBe(0);
  });

  it('has pictures to compare with, enlarged and shrunk', () => {
    expect(pairs.length).toBeGreaterThan(3);
  });

  it('gives the picture itself at its own size', () => {
    const rgb = Uint8Array.from({ length: 27 }, (_, i) => i * 9);
    expect(pillowResize(rgb, { width: 3, height: 3 }, { width: 3, height: 3 }, 'lanczos')).toBe(rgb);
  });

  it.each([
    ['bilinear', 3],
    ['bicubic', 3],
    ['lanczos', 3],
    ['bilinear', 8],
    ['bicubic', 8],
    ['lanczos', 8],
  ] as const)('resizes a row by %s to %i as Pillow does', (filter, width) => {
    const row = [0, 50, 200, 255, 100];
    const rgb = Uint8Array.from(row.flatMap((level) => [level, level, level]));
    const found = pillowResize(rgb, { width: 5, height: 1 }, { width, height: 1 }, filter);
    expect([...found].filter((_, at) => at % 3 === 0)).toEqual(rows[`${filter} ${width}`]);
    expect([...found].filter((_, at) => at % 3 === 2)).toEqual(rows[`${filter} ${width}`]);
  });

  it('refuses sizes that the bytes do not have', () => {
    const rgb = new Uint8Array(12);
    expect(() => pillowResize(rgb, { width: 3, height: 2 }, { width: 1, height: 1 }, 'bicubic')).toThrow(
      RangeError,
    );
    expect(() => pillowResize(rgb, { width: 2, height: 2 }, { width: 0, height: 1 }, 'bicubic')).toThrow(
      RangeError,
    );
  });
});
