/** PSNR and worst block against numbers worked out by hand, and against another program's definition of both. */
import { describe, expect, it } from 'vitest';
import { guide, lastPositions } from '../../src/parity/guidance.ts';
import { drawDrawing, drawingPlace, unconditionalRow } from '../../src/parity/inputs/drawing.ts';
import { Random } from '../../src/parity/inputs/random.ts';
import { equalPictures, PictureComparison, picturesOf } from '../../src/parity/picture-metrics.ts';
import { float32Value, type RunTensor } from '../../src/runtime/values.ts';
import { goldenCase } from '../support/golden-cases.ts';
import { withBuiltCase } from '../support/open-case.ts';

/** Bytes are 127.5 (y + 1). */
const scale = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** Pixels [1, 3, height, width] by channel, row and column. */
function pixels(
  height: number,
  width: number,
  value: (channel: number, y: number, x: number) => number,
): RunTensor {
  const data = Float32Array.from({ length: 3 * height * width }, (_, at) =>
    value(Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width),
  );
  return float32Value([1, 3, height, width], data);
}

function compare(reference: RunTensor, output: RunTensor) {
  const comparison = new PictureComparison(scale);
  comparison.add(reference, output);
  const metrics = comparison.finish();
  if (metrics === undefined) throw new Error('nothing was compared');
  return metrics;
}

describe('PSNR', () => {
  it('is 10 log10(255² / mean squared error) of bytes, over all channels', () => {
    const reference = pixels(32, 32, () => 0);
    // Ten bytes in one of three channels.
    const output = pixels(32, 32, (channel) => (channel === 1 ? 10 / 127.5 : 0));
    const wanted = 10 * Math.log10(255 ** 2 / (100 / 3));
    expect(compare(reference, output).psnr).toBeCloseTo(wanted, 4);
  });

  it('does not see what lies beyond black and white', () => {
    const reference = pixels(16, 16, () => 1.5);
    const output = pixels(16, 16, () => 7);
    expect(compare(reference, output)).toMatchObject({
      psnr: equalPictures,
      worstBlock: { value: equalPictures, where: '' },
    });
    expect(
      compare(
        reference,
        pixels(16, 16, () => 0.5),
      ).psnr,
    ).toBeCloseTo(20 * Math.log10(255 / 63.75), 4);
  });

  it('takes what is not finite for as wrong as can be', () => {
    const reference = pixels(16, 16, () => 0);
    const output = pixels(16, 16, (channel, y, x) => (channel + y + x === 0 ? Number.NaN : 0));
    const wanted = 10 * Math.log10(3 * 16 * 16);
    expect(compare(reference, output).psnr).toBeCloseTo(wanted, 6);
  });

  it('goes by the scale of each channel', () => {
    const comparison = new PictureComparison({ mean: [0, 0, 0], std: [0.1, 1, 1] });
    comparison.add(
      pixels(16, 16, () => 0.25),
      pixels(16, 16, (channel) => (channel === 0 ? 0.75 : 0.25)),
    );
    expect(comparison.finish()?.psnr).toBeCloseTo(
      20 * Math.log10(255 / (0.05 * 255)) + 10 * Math.log10(3),
      3,
    );
  });
});

describe('the worst block', () => {
  it('is named by its row and column, also where the picture ends inside of it', () => {
    const reference = pixels(40, 50, () => 0);
    const output = pixels(40, 50, (_, y, x) => (y === 33 && x === 49 ? 0.5 : 0));
    const { worstBlock, blocks, psnr } = compare(reference, output);
    // Rows 32 … 39 and columns 48 and 49: 16 pixels, of which one is off by 63.75.
    expect(worstBlock.where).toBe('picture 0, block row 2 column 3');
    expect(worstBlock.value).toBeCloseTo(20 * Math.log10(255 / 63.75) + 10 * Math.log10(16), 3);
    expect(psnr).toBeCloseTo(20 * Math.log10(255 / 63.75) + 10 * Math.log10(2000), 3);
    const [map] = blocks;
    expect(map).toMatchObject({ rows: 3, columns: 4 });
    expect(map?.errors.filter((error) => error > 0)).toEqual([expect.closeTo(63.75 / 4, 3)]);
    expect(map?.errors[11]).toBeGreaterThan(0);
  });

  it('is that of the picture that it is in', () => {
    const comparison = new PictureComparison(scale);
    const reference = pixels(16, 16, () => 0);
    for (const by of [0.01, 0.2, 0.1])
      comparison.add(
        reference,
        pixels(16, 16, () => by),
      );
    const metrics = comparison.finish();
    expect(metrics?.worstBlock.where).toBe('picture 1, block row 0 column 0');
    expect(metrics?.blocks.length).toBe(3);
  });

  it('agrees with a plain loop over noise', () => {
    const random = new Random(5);
    const noise = (by: number) => pixels(33, 47, () => by * (random.unit() - 0.5));
    const reference = noise(3);
    const output = float32Value(
      reference.shape,
      Float32Array.from(reference.data as Float32Array, (one) => one + 0.1 * (random.unit() - 0.5)),
    );
    const byte = (one: number): number => Math.min(255, Math.max(0, (one + 1) * 127.5));
    let all = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let top = 0; top < 33; top += 16) {
      for (let left = 0; left < 47; left += 16) {
        let sum = 0;
        let count = 0;
        for (let at = 0; at < reference.data.length; at += 1) {
          const [y, x] = [Math.floor(at / 47) % 33, at % 47];
          if (y < top || y >= top + 16 || x < left || x >= left + 16) continue;
          sum += (byte(Number(reference.data[at])) - byte(Number(output.data[at]))) ** 2;
          count += 1;
        }
        all += sum;
        least = Math.min(least, 10 * Math.log10(255 ** 2 / (sum / count)));
      }
    }
    const { psnr, worstBlock } = compare(reference, output);
    expect(psnr).toBeCloseTo(10 * Math.log10(255 ** 2 / (all / reference.data.length)), 3);
    expect(worstBlock.value).toBeCloseTo(least, 3);
  });
});

describe('a picture', () => {
  it('is pixels as bytes, cut and not rounded, channels last', () => {
    const values = [-2, -1, 0, 0.999, 1, 5];
    const [picture] = picturesOf(
      pixels(1, 2, (channel, _, x) => values[channel * 2 + x] ?? 0),
      scale,
    );
    expect(picture).toEqual({
      width: 2,
      height: 1,
      rgb: Uint8Array.of(0, 127, 255, 0, 254, 255),
    });
  });
});

describe('guidance', () => {
  it('is u + w (c - u), rounded to float32 at every step', () => {
    const [c, u] = [Float32Array.of(1.1, -2, 1e8), Float32Array.of(0.3, 4, 1)];
    expect(guide(c, u, 1)).toEqual(Float32Array.of(1.1, -2, 1e8));
    expect(guide(c, u, 0)).toEqual(u);
    expect([...guide(c, u, 5)]).toEqual([
      expect.closeTo(4.3, 6),
      -26,
      Math.fround(1 + Math.fround(5 * Math.fround(1e8 - 1))),
    ]);
  });
});

describe('a prompt in two rows', () => {
  it('keeps its ends, or the ids that are named', () => {
    expect(unconditionalRow([7, 1, 2, 8], { kept: 'ends', padId: 9 })).toEqual([7, 9, 9, 8]);
    expect(unconditionalRow([7, 1, 7, 2, 8], { kept: [7, 8], padId: 9 })).toEqual([7, 9, 7, 9, 8]);
  });

  it('is drawn from the seed, with codes that do not repeat while there are others', async () => {
    await withBuiltCase(goldenCase('janus/tiny-hf'), async ({ recipe }) => {
      const drawing = drawDrawing(recipe, 3);
      expect(drawDrawing(recipe, 3)).toEqual(drawing);
      expect(drawDrawing(recipe, 4)).not.toEqual(drawing);
      expect(new Set(drawing?.codes).size).toBe(36);
      const [conditional = [], unconditional = []] = drawing?.rows ?? [];
      expect(unconditional).toEqual([330, ...conditional.slice(1, -1).map(() => 332), 334]);
      expect(drawing && drawingPlace(drawing, 1, conditional.length + 2)).toBe(
        'drawn picture, unconditional row, decode step 2',
      );
    });
  });

  it('gives its last states, row by row and step by step', () => {
    const states = (length: number, first: number): RunTensor =>
      float32Value(
        [2, length, 1],
        Float32Array.from({ length: 2 * length }, (_, at) => first + at),
      );
    expect(lastPositions([states(3, 0), states(1, 10)])).toEqual(
      float32Value([2, 2, 1], Float32Array.of(2, 10, 5, 11)),
    );
  });
});
