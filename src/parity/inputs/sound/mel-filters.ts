/**
 * Triangular mel filters on Slaney's scale (linear up to 1000 Hz, logarithmic above), each of unit area per Hz. Source of
 * the math: Slaney, Auditory Toolbox (1998), as librosa and mel_filter_bank of transformers have it.
 */
import type { LogMelSettings } from '../../../architectures/media.ts';

/** One band: weights of the frequency bins from `first` on. */
export interface MelFilter {
  readonly first: number;
  readonly weights: Float64Array;
}

const corner = { hertz: 1000, mel: 15 } as const;
/** 27 mels from 1000 to 6400 Hz. */
const logStep = Math.log(6.4) / 27;

export function hertzToMel(hertz: number): number {
  return hertz < corner.hertz ? (3 * hertz) / 200 : corner.mel + Math.log(hertz / corner.hertz) / logStep;
}

export function melToHertz(mel: number): number {
  return mel < corner.mel ? (200 * mel) / 3 : corner.hertz * Math.exp(logStep * (mel - corner.mel));
}

/** Of `bands` bands over window / 2 + 1 bins. */
export function melFilters({ sampleRate, window, bands, highest }: LogMelSettings): readonly MelFilter[] {
  const top = hertzToMel(highest);
  const edges = Array.from({ length: bands + 2 }, (_, index) => melToHertz((top * index) / (bands + 1)));
  const bins = Math.floor(window / 2) + 1;
  const binHertz = Math.floor(sampleRate / 2) / (bins - 1);
  return Array.from({ length: bands }, (_, band): MelFilter => {
    const [low = 0, peak = 0, high = 0] = edges.slice(band, band + 3);
    const all = Float64Array.from({ length: bins }, (__, bin) => {
      const hertz = bin * binHertz;
      const rising = (hertz - low) / (peak - low);
      const falling = (high - hertz) / (high - peak);
      return (Math.max(0, Math.min(rising, falling)) * 2) / (high - low);
    });
    const first = Math.max(
      0,
      all.findIndex((weight) => weight > 0),
    );
    return { first, weights: all.slice(first, all.findLastIndex((weight) => weight > 0) + 1) };
  });
}
