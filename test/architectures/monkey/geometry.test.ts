import { describe, expect, it } from 'vitest';
import type { Tiling } from '../../../src/architectures/architecture.ts';
import { tilePicture } from '../../../src/architectures/monkey/geometry.ts';
import { VlmError } from '../../../src/report/diagnostics.ts';

const own = { width: 896, height: 896 };
const size = (width: number, height: number) => ({ width, height });

describe('tilePicture', () => {
  it.each([
    ['fit', 1544, 896, [1344, 896], [2, 3]],
    ['crop', 1544, 896, [1544, 896], [2, 3]],
    ['cover', 1544, 896, [1544, 896], [2, 4]],
    ['fit', 1344, 896, [1344, 896], [2, 3]],
    ['cover', 1344, 896, [1344, 896], [2, 3]],
    ['cover', 1345, 897, [1345, 897], [3, 4]],
    ['fit', 895, 448, [448, 448], [1, 1]],
    ['crop', 500, 1400, [500, 1400], [3, 1]],
  ] as const)('%s %dx%d', (tiling, width, height, [inputWidth, inputHeight], [rows, columns]) => {
    const picture = tilePicture(size(width, height), own, tiling);
    expect(picture.requested).toEqual(size(width, height));
    expect(picture.input).toEqual(size(inputWidth, inputHeight));
    expect(picture.grid).toEqual({ rows, columns });
    expect(picture.tiling).toBe(tiling);
  });

  it('runs the checkpoint as the reference does when nothing is asked for', () => {
    const picture = tilePicture(undefined, size(1000, 896), 'fit');
    expect(picture).toMatchObject({
      input: size(1000, 896),
      grid: { rows: 2, columns: 2 },
      tiling: 'crop',
    });
  });

  it('says in one line what becomes of the request', () => {
    const summary = (tiling: Tiling, width: number, height: number) =>
      tilePicture(size(width, height), own, tiling).summary;
    expect(summary('fit', 1544, 896)).toBe('1544x896 → 3x2 tiles of 448 at 1344x896 (fit)');
    expect(summary('crop', 1544, 900)).toBe(
      '1544x900 → 3x2 tiles of 448 (crop: only the global view sees the right 200 columns and the bottom 4 rows)',
    );
    expect(summary('cover', 1544, 896)).toBe('1544x896 → 4x2 tiles of 448 (cover, padded to 1792x896)');
    expect(tilePicture(undefined, own, 'fit').summary).toBe(
      "896x896 (the checkpoint's own size) → 2x2 tiles of 448 (crop)",
    );
  });

  it.each([
    ['VC4201', 0, 0],
    ['VC4201', 1e9, 1e9],
    ['VC4201', -448, 448],
    ['VC4201', 448.5, 448],
    ['VC4201', Number.NaN, 448],
    ['VC4201', Number.POSITIVE_INFINITY, 448],
    ['VC4202', 447, 896],
    ['VC4202', 896, 447],
    ['VC4203', 16384, 16384],
  ])('refuses with %s: %dx%d', (code, width, height) => {
    for (const tiling of ['fit', 'crop', 'cover'] as const) {
      expect(() => tilePicture(size(width, height), own, tiling)).toThrowError(
        expect.objectContaining({ code }),
      );
    }
  });

  it('names the config where the own size is at fault', () => {
    try {
      tilePicture(undefined, size(300, 300), 'fit');
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(VlmError);
      expect((error as VlmError).record).toMatchObject({
        code: 'VC4202',
        where: 'config.json: visual.image_size',
      });
    }
  });
});
