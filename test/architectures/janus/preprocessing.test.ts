/** Pictures as both processors of Janus take them: recorded pixels, sizes as Python computes them, settings. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuiltModel } from '../../../src/architectures/architecture.ts';
import type { InsideStep, Size } from '../../../src/architectures/media.ts';
import type { JsonObject } from '../../../src/formats/checkpoint/checkpoint.ts';
import { decodePicture } from '../../../src/parity/inputs/decode-picture.ts';
import { normalise } from '../../../src/parity/inputs/picture.ts';
import { insideSize, preprocess } from '../../../src/parity/inputs/preprocess.ts';
import { toFloat32 } from '../../../src/runtime/values.ts';
import { caseInputs } from '../../support/case-inputs.ts';
import { type Changes, changed } from '../../support/changed-checkpoint.ts';
import { caseOptions, goldenCase, goldenCases } from '../../support/golden-cases.ts';
import { openCase } from '../../support/open-case.ts';
import { readIo } from '../../support/read-io.ts';

async function build(name: string, changes: Changes = {}, resolution?: Size): Promise<BuiltModel> {
  const golden = goldenCase(name);
  const { source, architecture } = await openCase(golden);
  const options = { ...caseOptions(golden), ...(resolution === undefined ? {} : { resolution }) };
  try {
    return architecture.build(changed(source, changes), options);
  } finally {
    await source.close();
  }
}

const shown = goldenCases(['janus']).filter(({ folder }) => existsSync(join(folder, 'image0.png')));

describe.each(shown)('$name', (golden) => {
  it('makes the recorded pixels of the picture', async () => {
    const { image } = await build(golden.name);
    if (image?.steps === undefined) throw new Error('no steps');
    const picture = await decodePicture(join(golden.folder, 'image0.png'));
    expect(picture.width).not.toBe(picture.height);
    const found = normalise(preprocess(picture, image, image.steps), image.mean, image.std);
    const { pixels } = caseInputs(golden, await readIo(join(golden.folder, 'io.safetensors')));
    if (pixels === undefined) throw new Error('no pixels recorded');
    const recorded = toFloat32(pixels);
    // A byte is 0.008 here.
    const worst = recorded.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? 9))), 0);
    expect(worst).toBeLessThan(1e-6);
  });
});

describe('sizes', () => {
  /** Of many pictures m wide and s high, s up to m, in one number. */
  function hash(size: number, least: number, rounding: InsideStep['rounding']): number {
    const to = { width: size, height: size };
    let sum = 0;
    let odd = 0;
    for (let m = 1; m < 700; m += 3) {
      for (let s = 1; s <= m; s += 2) {
        const wide = insideSize({ width: m, height: s }, { to, least, rounding });
        const tall = insideSize({ width: s, height: m }, { to, least, rounding });
        if (wide.width !== size || tall.width !== wide.height || tall.height !== size) odd += 1;
        sum = (sum * 31 + wide.height) % 1000003;
      }
    }
    expect(odd).toBe(0);
    return sum;
  }

  // max(int(s / m * size), least) and max(round(s * (size / m)), least), summed up by Python 3.12.
  it.each([
    [384, 14, 421725, 169984],
    [96, 14, 431331, 595141],
    // Here another order of operations gives other sizes.
    [448, 1, 819166, 938429],
  ])('are those of Python at %i', (size, least, down, halfEven) => {
    expect(hash(size, least, 'down')).toBe(down);
    expect(hash(size, least, 'half-even')).toBe(halfEven);
  });

  it('fit into what is no square', () => {
    const step = { to: { width: 192, height: 96 }, least: 14, rounding: 'down' } as const;
    expect(insideSize({ width: 100, height: 100 }, step)).toEqual({ width: 96, height: 96 });
    expect(insideSize({ width: 400, height: 100 }, step)).toEqual({ width: 192, height: 48 });
    expect(insideSize({ width: 300, height: 100 }, step)).toEqual({ width: 192, height: 64 });
    expect(insideSize({ width: 4000, height: 100 }, step)).toEqual({ width: 192, height: 14 });
  });
});

describe('settings', () => {
  const settings = (more: JsonObject): Changes => ({
    json: { 'preprocessor_config.json': { ...more } },
  });
  const own = {
    image_mean: [0.5, 0.5, 0.5],
    image_std: [0.5, 0.5, 0.5],
    min_size: 14,
    rescale_factor: 1 / 255,
  };

  it('have the defaults of the classes', async () => {
    const { image } = await build('janus/tiny-hf', settings({}));
    expect(image?.mean).toEqual([0.48145466, 0.4578275, 0.40821073]);
    expect(image?.steps).toEqual([
      {
        step: 'inside',
        to: { width: 96, height: 96 },
        least: 14,
        rounding: 'half-even',
        filter: 'bicubic',
      },
      // int(mean * 255)
      { step: 'pad', to: { width: 96, height: 96 }, color: [122, 116, 104] },
    ]);
  });

  it('of another factor, or without normalisation, are those of bytes from 0 to 1', async () => {
    const scaled = await build('janus/tiny-hf', settings({ ...own, rescale_factor: 2 / 255 }));
    expect(scaled.image?.mean).toEqual([0.25, 0.25, 0.25]);
    expect(scaled.image?.std).toEqual([0.25, 0.25, 0.25]);
    const plain = await build('janus/tiny-hf', settings({ ...own, do_normalize: false }));
    expect([plain.image?.mean, plain.image?.std]).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
  });

  it.each([
    ['do_pad', false],
    ['do_resize', false],
    ['do_rescale', false],
    ['resample', 0],
  ])('of %s %s say nothing that is known', async (key, value) => {
    const { image } = await build('janus/tiny-hf', settings({ ...own, [key]: value }));
    expect(image?.steps).toBeUndefined();
  });

  it('pad to the size asked for, and leave drawn pictures alone', async () => {
    const { image, recipe } = await build('janus/tiny-generate', {}, { width: 128, height: 64 });
    expect(image).toMatchObject({ input: { width: 128, height: 64 }, tokens: 32, tokenGrid: { rows: 4 } });
    expect(image?.steps?.map(({ step }) => step)).toEqual(['inside', 'pad']);
    expect(recipe.pictures).toMatchObject({ grid: { rows: 6, columns: 6 } });
  });
});
