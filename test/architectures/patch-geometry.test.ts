import { describe, expect, it } from 'vitest';
import { patchPicture } from '../../src/architectures/patch-geometry.ts';

const own = { width: 448, height: 448 };
const size = (width: number, height: number) => ({ width, height });

describe('patchPicture', () => {
  it.each([
    ['fit', 500, 301, [490, 294], [490, 294], [21, 35]],
    ['crop', 500, 301, [500, 301], [490, 294], [21, 35]],
    ['cover', 500, 301, [500, 301], [504, 308], [22, 36]],
    ['cover', 448, 224, [448, 224], [448, 224], [16, 32]],
  ] as const)(
    '%s %dx%d',
    (tiling, width, height, [inputWidth, inputHeight], [coveredWidth, coveredHeight], [rows, columns]) => {
      const picture = patchPicture(size(width, height), own, tiling, 14);
      expect(picture).toMatchObject({
        requested: size(width, height),
        input: size(inputWidth, inputHeight),
        covered: size(coveredWidth, coveredHeight),
        grid: { rows, columns },
      });
    },
  );

  it('says what becomes of the request', () => {
    expect(patchPicture(size(500, 301), own, 'fit', 14).summary).toBe(
      '500x301 → 35x21 patches of 14 at 490x294 (fit)',
    );
    expect(patchPicture(undefined, own, 'fit', 14).summary).toBe(
      "448x448 (the checkpoint's own size) → 32x32 patches of 14",
    );
  });

  it.each([
    ['VC4201', 0, 0],
    ['VC4201', 1e9, 1e9],
    ['VC4202', 13, 448],
    ['VC4203', 14 * 257, 14 * 257],
  ])('refuses with %s: %dx%d', (code, width, height) => {
    expect(() => patchPicture(size(width, height), own, 'fit', 14)).toThrowError(
      expect.objectContaining({ code }),
    );
  });
});
