/** The transform against its definition, at lengths that are powers of two and at others, and the mel filters. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/parity/inputs/random.ts';
import { fourier } from '../../../src/parity/inputs/sound/fourier.ts';
import { hertzToMel, melFilters, melToHertz } from '../../../src/parity/inputs/sound/mel-filters.ts';

/** |Σ x[n] exp(-2πi nk / N)|² as it is written. */
function definition(x: Float64Array): number[] {
  const { length } = x;
  return Array.from({ length: Math.floor(length / 2) + 1 }, (_, k) => {
    let [re, im] = [0, 0];
    for (const [n, value] of x.entries()) {
      const angle = (2 * Math.PI * ((n * k) % length)) / length;
      re += value * Math.cos(angle);
      im -= value * Math.sin(angle);
    }
    return re * re + im * im;
  });
}

describe('the power of a Fourier transform', () => {
  it.each([2, 3, 16, 25, 200, 400, 512, 1021])('is that of the definition for %i numbers', (length) => {
    const random = new Random(length);
    const x = Float64Array.from({ length }, () => 2 * random.unit() - 1);
    const found = new Float64Array(Math.floor(length / 2) + 1);
    const transform = fourier(length);
    // Twice: what one run leaves must not be in the next.
    transform.power(
      x.map((value) => value * 3 + 1),
      found,
    );
    transform.power(x, found);
    for (const [k, wanted] of definition(x).entries()) expect(found[k]).toBeCloseTo(wanted, 9);
  });
});

describe('mel filters', () => {
  it('lie on the scale of Slaney, linear up to 1000 Hz', () => {
    expect([0, 500, 1000, 6400, 8000].map(hertzToMel)).toEqual([
      0,
      7.5,
      15,
      42,
      expect.closeTo(45.245641, 5),
    ]);
    for (const hertz of [0, 123, 999, 1001, 7999])
      expect(melToHertz(hertzToMel(hertz))).toBeCloseTo(hertz, 8);
  });

  // Recorded from mel_filter_bank of transformers 5.23: the first bin, the first weights, and how many there are.
  it.each([
    { sampleRate: 16000, bands: 128, band: 0, first: 1, weights: [0.0123739863], count: 1 },
    { sampleRate: 16000, bands: 128, band: 1, first: 1, weights: [0.0303925649], count: 1 },
    {
      sampleRate: 16000,
      bands: 128,
      band: 127,
      first: 191,
      weights: [0.000475695083, 0.00161717173],
      count: 9,
    },
    { sampleRate: 16000, bands: 80, band: 40, first: 42, weights: [0.0054111051, 0.0147355657], count: 3 },
    { sampleRate: 8000, bands: 20, band: 1, first: 5, weights: [0.000611346754, 0.00212601545], count: 9 },
    // Above half of the sampling rate there is nothing.
    { sampleRate: 8000, bands: 20, band: 19, first: 0, weights: [], count: 0 },
  ])('are those of the original: band $band of $bands at $sampleRate Hz', (recorded) => {
    const { sampleRate, bands, band, first, weights, count } = recorded;
    const window = sampleRate === 16000 ? 400 : 256;
    const filters = melFilters({ sampleRate, window, hop: 160, bands, highest: 8000 });
    expect(filters).toHaveLength(bands);
    const found = filters[band];
    expect([found?.first, found?.weights.length]).toEqual([first, count]);
    for (const [index, weight] of weights.entries()) expect(found?.weights[index]).toBeCloseTo(weight, 10);
  });
});
