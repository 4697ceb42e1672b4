import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import type { GenerationRecipe } from '../../src/architectures/recipe.ts';
import { drawPicture, normalise } from '../../src/parity/inputs/picture.ts';
import { Random } from '../../src/parity/inputs/random.ts';
import { drawSample } from '../../src/parity/inputs/sample.ts';
import { goldenCases, pixelFormula } from '../support/golden-cases.ts';
import { image, markers, recipe } from './tiny-vlm.ts';

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('drawPicture', () => {
  it('draws the same for the same seed and another for another', () => {
    const one = drawPicture(896, 448, 5);
    expect(digest(drawPicture(896, 448, 5).rgb)).toBe(digest(one.rgb));
    expect(digest(drawPicture(896, 448, 6).rgb)).not.toBe(digest(one.rgb));
  });

  it('draws what it has always drawn', () => {
    // A change of the drawing changes every report: it has to be meant.
    expect(digest(drawPicture(448, 448, 1).rgb).slice(0, 16)).toMatchInlineSnapshot(`"80d8853196fc9555"`);
  });

  it('puts fine strokes, dark ink and smooth areas in every tile', () => {
    const { rgb, width } = drawPicture(1344, 896, 1);
    for (let row = 0; row < 2; row += 1) {
      for (let column = 0; column < 3; column += 1) {
        let edges = 0;
        let smooth = 0;
        const levels = new Set<number>();
        for (let y = row * 448; y < row * 448 + 448; y += 1) {
          for (let x = column * 448 + 1; x < column * 448 + 448; x += 1) {
            const green = rgb[(y * width + x) * 3 + 1] ?? 0;
            const left = rgb[(y * width + x - 1) * 3 + 1] ?? 0;
            levels.add(green);
            if (Math.abs(green - left) > 100) edges += 1;
            if (Math.abs(green - left) <= 1) smooth += 1;
          }
        }
        expect(edges).toBeGreaterThan(448 * 448 * 0.01);
        expect(smooth).toBeGreaterThan(448 * 448 * 0.3);
        expect(levels.size).toBeGreaterThan(20);
      }
    }
  });

  it('draws pictures smaller than a panel', () => {
    const { rgb } = drawPicture(28, 14, 1);
    expect(rgb.length).toBe(28 * 14 * 3);
    expect(new Set(rgb).size).toBeGreaterThan(10);
  });
});

describe('normalise', () => {
  it('rounds every step to float32, channel planes first', () => {
    const picture = { width: 2, height: 1, rgb: Uint8Array.of(0, 128, 255, 10, 20, 30) };
    const mean = [0.48145466, 0.4578275, 0.40821073];
    const std = [0.26862954, 0.26130258, 0.27577711];
    const one = (level: number, channel: number): number => {
      const f = Math.fround;
      return f(f(f(level / 255) - f(mean[channel] ?? 0)) / f(std[channel] ?? 0));
    };
    expect([...normalise(picture, mean, std)]).toEqual([
      one(0, 0),
      one(10, 0),
      one(128, 1),
      one(20, 1),
      one(255, 2),
      one(30, 2),
    ]);
    // Black in the red channel of CLIP, computed by hand.
    expect(normalise(picture, mean, std)[0]).toBeCloseTo(-0.48145466 / 0.26862954, 6);
  });
});

describe('normalise against recorded pictures', () => {
  const cases = goldenCases(['qwen-vl']);

  it.each(cases)('gives the pixel values of $name bit for bit', (golden) => {
    const { stored_as, mean, std, sha256_of_fp32_little_endian_chw: digests } = pixelFormula(golden);
    for (const [index, name] of stored_as.entries()) {
      const { width, height, data } = PNG.sync.read(readFileSync(join(golden.folder, name)));
      const picture = { width, height, rgb: data.filter((_, at) => at % 4 !== 3) };
      expect(digest(new Uint8Array(normalise(picture, mean, std).buffer))).toBe(digests[index]);
    }
  });

  it('has recorded pictures to compare with', () => {
    expect(cases.length).toBeGreaterThan(0);
  });
});

describe('drawSample', () => {
  it('puts the span between its markers and draws text from ordinary ids only', () => {
    const sample = drawSample(recipe, image, 3);
    const lengths = sample.prompts.map((prompt) => prompt.ids.length);
    expect(new Set(lengths).size).toBe(lengths.length);
    expect(sample.prompts.some((prompt) => prompt.spans.length === 0)).toBe(true);
    expect(new Set(sample.prompts.map((prompt) => prompt.spans[0]?.first)).size).toBeGreaterThan(2);
    for (const { ids, spans } of sample.prompts) {
      const [span] = spans;
      const special = ids.flatMap((id, at) => (id >= recipe.textIds ? [[at, id]] : []));
      if (span === undefined) {
        expect(special).toEqual([]);
        continue;
      }
      expect(span.count).toBe(image.tokens);
      expect(special[0]).toEqual([span.first - 1, markers.startId]);
      expect(special.at(-1)).toEqual([span.first + span.count, markers.endId]);
      expect(special.slice(1, -1).map(([, id]) => id)).toEqual(Array(image.tokens).fill(markers.padId));
    }
    expect(sample.media.map(({ feeds }) => feeds.get('pixel_values')?.shape)).toEqual([[1, 3, 28, 28]]);
    expect(drawSample(recipe, image, 3)).toEqual(sample);
  });

  it('repeats the image token once per feature, and nowhere else', () => {
    const tokenId = recipe.textIds;
    const sample = drawSample({ ...recipe, splice: { rule: 'image-token', tokenId } }, image, 3);
    for (const { ids, spans } of sample.prompts) {
      const [span] = spans;
      const places = ids.flatMap((id, at) => (id >= recipe.textIds ? [[at, id]] : []));
      const expected = Array.from({ length: span?.count ?? 0 }, (_, i) => [(span?.first ?? 0) + i, tokenId]);
      expect(places).toEqual(expected);
    }
    expect(sample.prompts.map(({ spans }) => spans)).toEqual([
      [{ first: 0, count: image.tokens, media: 0 }],
      [{ first: 5, count: image.tokens, media: 0 }],
      [],
    ]);
  });

  it('draws text alone for a model without a vision part', () => {
    const { encoder: _vision, splice: _splice, ...text } = recipe;
    const sample = drawSample(text, undefined, 3);
    expect(sample.media).toEqual([]);
    expect(sample.prompts.every(({ spans, ids }) => spans.length === 0 && ids.length > 0)).toBe(true);
  });

  it('refuses a recipe that leaves nothing to draw', () => {
    const without: GenerationRecipe = { ...recipe, textIds: 0 };
    expect(() => drawSample(without, image, 1)).toThrow('VC6103');
    expect(() => drawSample(recipe, undefined, 1)).toThrow('VC6103');
  });
});

describe('Random', () => {
  it('spreads over its range, for neighbouring seeds too', () => {
    for (const seed of [0, 1, 2, 2 ** 31]) {
      const random = new Random(seed);
      const counts = new Array<number>(8).fill(0);
      for (let i = 0; i < 8000; i += 1) {
        const at = random.int(0, 8);
        counts[at] = (counts[at] ?? 0) + 1;
      }
      // Each bin is binomial with mean 1000 and deviation 30.
      for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    }
  });
});
